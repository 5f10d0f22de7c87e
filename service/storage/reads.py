"""Reads that show all that was acknowledged before, also behind an election (decision 0020)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bson import ObjectId

from service.storage.driver import Database, newest_election
from service.storage.errors import reading
from service.storage.indexes import SESSIONS

Found = TypeVar("Found")


class Reads:
    """Makes reads again that may have met a new primary before it knew what a majority has.

    A primary just elected answers from what it knew to be committed while it was a secondary,
    until an entry of its own term is committed; Raft (section 8) lets a leader commit one
    before it answers. A write that changes nothing is acknowledged when that has happened.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settled: ObjectId | None = None
        self._settling = asyncio.Lock()

    async def run(self, read: Callable[[], Awaitable[Found]]) -> Found:
        """Return what the read finds. It may be called more than once.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with reading():
            while True:
                # What another task settles meanwhile says nothing about this read.
                settled = self._settled
                found = await read()
                if newest_election(self._database) == settled:
                    return found
                await self.settle()

    async def settle(self) -> None:
        """Return when the primary knows all that its predecessors acknowledged."""
        async with self._settling:
            election = newest_election(self._database)
            if election != self._settled:
                await self._database[SESSIONS].update_one({"_id": None}, {"$set": {}})
                self._settled = election
