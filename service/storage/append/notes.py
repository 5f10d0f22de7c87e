"""Notes: which heads an insert leaves behind, so that a crash cannot make anyone forget them.

A note is the first document of its insert. The process that wrote it moves the heads and
deletes it; when that process dies, any other does (decision 0028). Notes lie among the entries,
because one insert writes to one collection, under ids that no session has.
"""

import secrets
import time
from collections.abc import Collection, Sequence
from uuid import UUID

from service.domain.rules import RESERVED_IDS
from service.storage import documents
from service.storage.driver import Collection as MongoCollection
from service.storage.driver import Document
from service.storage.errors import changing
from service.storage.reads import Reads

# Several, so that a sharded cluster spreads them.
NOTE_LOGS = sorted(RESERVED_IDS)
RANDOM_BITS = 20
# Those of a live process are younger: it deletes them as soon as the heads have moved.
ORPHANED_S = 2
MAX_NOTES = 100

# A session, and its owner: a sharded cluster looks only at that shard.
Owed = tuple[UUID, str]


class Notes:
    def __init__(self, history: MongoCollection, reads: Reads) -> None:
        self._history = history
        self._reads = reads

    async def orphaned(self) -> list[Document]:
        """Return notes that no process seems to be about to pay, the oldest of each log first."""
        aged = range(_numbered(time.time() - ORPHANED_S, 0))
        logs = [documents.in_log(log_id, aged) for log_id in NOTE_LOGS]
        return await self._reads.run(
            lambda: self._history.find({"$or": logs}, limit=MAX_NOTES).to_list()
        )

    async def delete(self, notes: Sequence[Document]) -> None:
        with changing():
            await self._history.delete_many(documents.entries_at(note["_id"] for note in notes))


def note_of(owed: Collection[Owed]) -> Document:
    """Return a new note of these heads.

    Its number begins with the time, so that old ones are found by range. Where the clock is
    wrong, a note is paid too early, which does no harm, or later.
    """
    number = _numbered(time.time(), secrets.randbits(RANDOM_BITS))
    return documents.note(secrets.choice(NOTE_LOGS), number, owed)


def _numbered(time_s: float, rest: int) -> int:
    return int(time_s * 1000) << RANDOM_BITS | rest
