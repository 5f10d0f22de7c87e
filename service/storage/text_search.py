"""Finding messages of a log by their words, through MongoDB's text index (a setting)."""

import re

from service.domain.models import Message, Session
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
        """Return what was said with any of the words, the best match first, then the newest."""
        # Quotes and dashes have a meaning in MongoDB's searches; words alone have none.
        words = dict.fromkeys(word.lower() for word in _WORD.findall(text))
        if not words:
            return []
        said = documents.said_with(
            session.id, range(session.start, before_seq), " ".join([*words][:MAX_WORDS])
        )
        best_first: Sort = [("score", {"$meta": "textScore"}), ("_id", -1)]
        entries = await self._reads.run(
            lambda: self._history.find(said, sort=best_first, limit=limit).to_list()
        )
        return [documents.from_entry(entry) for entry in entries]
