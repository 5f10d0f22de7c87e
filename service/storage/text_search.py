"""Finding messages of a log by their words, through MongoDB's text index (a setting)."""

import re
import unicodedata

from service.domain.models import Message, Session, text_of
from service.storage import documents
from service.storage.driver import Collection, Sort
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
        """Return what was said with most of the words first, then the newest."""
        # Quotes and dashes have a meaning in MongoDB's searches; words alone have none.
        words = dict.fromkeys(word.lower() for word in _WORD.findall(text))
        if not words:
            return []
        wanted = [*words][:MAX_WORDS]
        seqs = range(session.start, before_seq)
        said = documents.said_with(session.id, seqs, " ".join(wanted))
        best_first: Sort = [("score", {"$meta": "textScore"}), ("_id", -1)]
        entries = await self._reads.run(
            lambda: self._history.find(said, sort=best_first, limit=limit).to_list()
        )
        folded = {_folded(word) for word in wanted}
        matches = [
            (len(folded & _words_of(message)), message.seq, message)
            for entry in entries
            for message in documents.messages_in(entry)
            if message.seq in seqs and message.role in documents.SAYING and not message.tool_calls
        ]
        return [message for count, _, message in sorted(matches, reverse=True)[:limit] if count]


def _words_of(message: Message) -> set[str]:
    return {_folded(word) for word in _WORD.findall(text_of(message.content))}


def _folded(word: str) -> str:
    """Return the word as MongoDB compares it: without case and diacritics."""
    decomposed = unicodedata.normalize("NFD", word.lower())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
