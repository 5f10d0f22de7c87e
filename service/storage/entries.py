"""The entries of the logs: one document a message, at the place its number gives it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from pymongo.errors import BulkWriteError

from service.domain.models import Message, Session
from service.domain.window import Window, seqs_in
from service.storage import documents
from service.storage.driver import Collection, Document
from service.storage.errors import changing, duplicates_in
from service.storage.reads import Reads

AFTER_ALL_SEQS = 2**62
ALL_SEQS = range(1, AFTER_ALL_SEQS)
PURGE_BATCH = 10_000
PRIMARY_INDEX = "_id_"


class Entries:
    def __init__(self, history: Collection, reads: Reads) -> None:
        self._reads = reads
        self._history = history

    async def read(self, session_id: UUID, seqs: range) -> list[Message]:
        """Return the messages with these numbers, ascending, as far as they are there."""
        entries = await self._find(session_id, seqs, 1, len(seqs)) if seqs else []
        return [documents.from_entry(entry) for entry in entries]

    async def last_seq(self, session_id: UUID) -> int:
        """Return the greatest number in the log, 0 when it is empty."""
        last = await self._find(session_id, ALL_SEQS, -1, 1)
        return int(last[0]["_id"]["n"]) if last else 0

    async def with_keys(self, session_id: UUID, client_keys: list[str]) -> list[Message]:
        wanted = documents.with_keys(session_id, client_keys)
        entries = await self._reads.run(lambda: self._history.find(wanted).to_list())
        return [documents.from_entry(entry) for entry in entries]

    async def insert_all(self, messages: Sequence[tuple[UUID, Message]]) -> int:
        """Return how many were inserted, in order, before one met a taken number or key."""
        entries = [documents.to_entry(session_id, message) for session_id, message in messages]
        with changing():
            try:
                await self._history.insert_many(entries)
            except BulkWriteError as error:
                return min(duplicates_in(error))
        return len(entries)

    async def remove(self, session_id: UUID, seqs: Sequence[int]) -> None:
        with changing():
            await self._history.delete_many(documents.places(session_id, seqs))

    async def newest_of_each(self, sessions: Sequence[Session], limit: int) -> list[Document]:
        """Return the entries in the newest windows of all sessions, each log ascending."""
        window = Window(limit=limit, newest=True)
        logs = [
            documents.in_log(session.id, seqs)
            for session in sessions
            if (seqs := seqs_in(window, session))
        ]
        if not logs:
            return []
        return await self._reads.run(
            lambda: self._history.find({"$or": logs}, sort=[("_id", 1)]).to_list()
        )

    async def with_some_before(self, starts: Mapping[UUID, int]) -> set[UUID]:
        """Return sessions with entries below these numbers; not all of them, but one if any."""
        logs = [documents.in_log(id_, range(1, start)) for id_, start in starts.items()]
        entries = await self._reads.run(
            lambda: (
                self._history.find({"$or": logs}, {"_id": 1}, limit=len(logs))
                .hint(PRIMARY_INDEX)
                .to_list()
            )
        )
        return {entry["_id"]["s"].as_uuid() for entry in entries}

    async def purge_some(self, session_id: UUID, *, before: int) -> None:
        """Remove the oldest entries below a number, as many as one deadline is enough for."""
        oldest = await self._find(session_id, range(1, before), 1, 1)
        if not oldest:
            return
        first_seq = int(oldest[0]["_id"]["n"])
        batch = range(first_seq, min(first_seq + PURGE_BATCH, before))
        with changing():
            await self._history.delete_many(documents.in_log(session_id, batch))

    async def _find(
        self, session_id: UUID, seqs: range, direction: int, limit: int
    ) -> list[Document]:
        log = documents.in_log(session_id, seqs)
        return await self._reads.run(
            lambda: (
                self._history.find(log, sort=[("_id", direction)], limit=limit)
                .hint(PRIMARY_INDEX)
                .to_list()
            )
        )
