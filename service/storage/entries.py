"""The entries of the logs: one document an append, at the place its first number gives it.

So what is appended together is stored and shown together, or not at all (decision 0028).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from bson import Binary
from pymongo.errors import BulkWriteError

from service.domain.models import Message, Session
from service.domain.rules import MAX_MESSAGES_PER_APPEND
from service.domain.window import Window, seqs_in
from service.storage import documents
from service.storage.driver import Collection, Document
from service.storage.errors import changing, duplicates_in
from service.storage.reads import Reads

AFTER_ALL_SEQS = 2**62
PURGE_BATCH = 5_000
PRIMARY_INDEX = "_id_"


class Inserted(NamedTuple):
    """How many documents are stored, in their order, before one met a taken number or key."""

    stored: int
    met_number: bool = False


class Entries:
    def __init__(self, history: Collection, reads: Reads) -> None:
        self._reads = reads
        self._history = history

    async def read(self, session_id: UUID, seqs: range) -> list[Message]:
        """Return the messages with these numbers, ascending, as far as they are there."""
        if not seqs:
            return []
        entries = await self._find(session_id, seqs, limit=len(seqs))
        return await self._completed(session_id, seqs, entries)

    async def newest_of_each(
        self, sessions: Sequence[Session], limit: int
    ) -> dict[UUID, list[Message]]:
        """Return the messages in the newest windows of all sessions, each log ascending."""
        window = Window(limit=limit, newest=True)
        windows = {session.id: seqs_in(window, session) for session in sessions}
        logs = [documents.in_log(id_, seqs) for id_, seqs in windows.items() if seqs]
        entries: dict[UUID, list[Document]] = {id_: [] for id_ in windows}
        for entry in await self._find_in(logs) if logs else []:
            entries[session_of(entry)].append(entry)
        completed = (self._completed(id_, windows[id_], entries[id_]) for id_ in windows)
        return dict(zip(windows, await asyncio.gather(*completed), strict=True))

    async def after(self, ends: Mapping[UUID, int]) -> list[Document]:
        """Return the entries after these numbers, each log ascending."""
        logs = [documents.in_log(id_, range(end + 1, AFTER_ALL_SEQS)) for id_, end in ends.items()]
        return await self._find_in(logs)

    async def with_keys(self, keys: Mapping[UUID, Sequence[str]]) -> dict[UUID, list[Message]]:
        """Return the messages that are stored with any of these keys of their session."""
        wanted = {"$or": [documents.with_keys(id_, given) for id_, given in keys.items()]}
        entries = await self._reads.run(lambda: self._history.find(wanted).to_list())
        found: dict[UUID, list[Message]] = {id_: [] for id_ in keys}
        for entry in entries:
            session_id = session_of(entry)
            messages = documents.messages_in(entry)
            found[session_id] += [m for m in messages if m.client_key in keys[session_id]]
        return found

    async def insert(self, entries: Sequence[Document]) -> Inserted:
        """Insert these in their order, up to the first that meets a taken number or key.

        When it returns, they are durable, and so is what they met.
        """
        with changing():
            try:
                await self._history.insert_many(entries)
            except BulkWriteError as error:
                [(count, failure)] = duplicates_in(error).items()
                return Inserted(count, "_id" in failure.get("keyPattern", {}))
        return Inserted(len(entries))

    async def free_keys(self, session_id: UUID, keys: Sequence[str], *, before: int) -> None:
        """Forget these keys of messages below a number; the messages still take their numbers."""
        cleared = documents.in_log(session_id, range(1, before))
        with_keys = documents.with_keys(session_id, keys)
        with changing():
            await self._history.update_many({**cleared, **with_keys}, documents.without_keys(keys))

    async def remove(self, session_id: UUID, messages: Sequence[Message]) -> None:
        """Take back what was inserted as one entry."""
        entry = documents.in_log(session_id, range(messages[0].seq, messages[0].seq + 1))
        own = {
            "$or": [{field: Binary.from_uuid(messages[0].id)} for field in ("id", "messages.id")]
        }
        with changing():
            await self._history.delete_one({**entry, **own})

    async def beginning_of(self, session_id: UUID, seq: int) -> int:
        """Return the first number of the entry that holds this one; itself if there is none."""
        covering = await self._covering(session_id, seq)
        return int(covering["_id"]["n"]) if covering else seq

    async def purge_some(self, starts: Mapping[UUID, int]) -> bool:
        """Remove entries below these numbers; say whether there were any.

        As many as one deadline is enough for, of all these sessions together.
        """
        logs = [documents.in_log(id_, range(1, start)) for id_, start in starts.items()]
        entries = await self._reads.run(
            lambda: (
                self._history.find({"$or": logs}, {"_id": 1}, limit=PURGE_BATCH)
                .hint(PRIMARY_INDEX)
                .to_list()
            )
        )
        if entries:
            with changing():
                await self._history.delete_many(documents.entries_at(e["_id"] for e in entries))
        return bool(entries)

    async def _completed(
        self, session_id: UUID, seqs: range, entries: Sequence[Document]
    ) -> list[Message]:
        """Return the messages with these numbers: `entries` are all that begin among them.

        The first may be in an entry that begins before it.
        """
        messages = [message for entry in entries for message in documents.messages_in(entry)]
        if seqs and (not messages or messages[0].seq > seqs.start):
            covering = await self._covering(session_id, seqs.start)
            messages = (documents.messages_in(covering) if covering else []) + messages
        return [message for message in messages if message.seq in seqs]

    async def _covering(self, session_id: UUID, seq: int) -> Document | None:
        """Return the entry that begins before a number and holds it."""
        before = range(max(1, seq - MAX_MESSAGES_PER_APPEND + 1), seq)
        for entry in await self._find(session_id, before, limit=1, direction=-1):
            if documents.end_of(entry) >= seq:
                return entry
        return None

    async def _find(
        self, session_id: UUID, seqs: range, *, limit: int, direction: int = 1
    ) -> list[Document]:
        log = documents.in_log(session_id, seqs)
        return await self._reads.run(
            lambda: (
                self._history.find(log, sort=[("_id", direction)], limit=limit)
                .hint(PRIMARY_INDEX)
                .to_list()
            )
        )

    async def _find_in(self, logs: Sequence[Document]) -> list[Document]:
        return await self._reads.run(
            lambda: self._history.find({"$or": logs}, sort=[("_id", 1)]).to_list()
        )


def session_of(entry: Document) -> UUID:
    session_id: UUID = entry["_id"]["s"].as_uuid()
    return session_id
