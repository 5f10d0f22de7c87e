"""Finding messages of a log by their words, through MongoDB's text index (a setting)."""

import re
import unicodedata
from collections.abc import Container

from service.domain.models import Message, Session, text_of
from service.storage import documents
from service.storage.driver import Collection, Document, Sort
from service.storage.reads import Reads

MAX_WORDS = 32
_WORD = re.compile(r"\w+")


class TextSearch:
    def __init__(self, history: Collection, reads: Reads) -> None:
        self._reads = reads
        self._history = history

    async def best(
        self, session: Session, text: str, *, before_seq: int, limit: int
    ) -> list[Message]:
        """Return what was said with any of the words, the best match first, then the newest."""
        # Quotes and dashes have a meaning in MongoDB's searches; words alone have none.
        words = dict.fromkeys(_folded(word) for word in _WORD.findall(text))
        if not words:
            return []
        said = documents.said_with(
            session.id, range(session.start, before_seq), " ".join([*words][:MAX_WORDS])
        )
        best_first: Sort = [("score", {"$meta": "textScore"}), ("_id", -1)]
        entries = await self._reads.run(
            lambda: self._history.find(said, sort=best_first, limit=limit).to_list()
        )
        found = [message for entry in entries for message in _said(entry, words)]
        return found[:limit]


def _said(entry: Document, words: Container[str]) -> list[Message]:
    """Return the messages of an entry that a search finds: of a group, those with a word."""
    messages = documents.messages_in(entry)
    if len(messages) == 1:
        return messages
    return [
        message
        for message in messages
        if message.role in documents.SAYING and message.tool_calls is None
        if any(_folded(word) in words for word in _WORD.findall(text_of(message.content)))
    ]


def _folded(word: str) -> str:
    """Return the word as MongoDB compares it: without case and diacritics."""
    decomposed = unicodedata.normalize("NFD", word.lower())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
