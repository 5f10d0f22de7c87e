"""Reads that show all that was acknowledged before, also after an election (decision 0020)."""

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
    before it answers. A write that changes nothing is acknowledged when that has happened:
    then the election is confirmed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._confirmed: ObjectId | None = None
        self._confirming: asyncio.Task[None] | None = None

    async def run(self, read: Callable[[], Awaitable[Found]]) -> Found:
        """Return what the read finds. It may be called more than once.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with reading():
            while True:
                # What is confirmed while a read is under way says nothing about that read.
                confirmed = self._confirmed
                found = await read()
                if newest_election(self._database) == confirmed:
                    return found
                await self.confirm()

    async def confirm(self) -> None:
        """Return when the primary knows all that its predecessors acknowledged.

        Callers at the same time share the attempt, and its failure.
        """
        if self._confirming is None:
            self._confirming = asyncio.create_task(self._confirm())
        await asyncio.shield(self._confirming)

    async def _confirm(self) -> None:
        try:
            election = newest_election(self._database)
            if election != self._confirmed:
                await self._database[SESSIONS].update_one({"_id": None}, {"$set": {}})
                self._confirmed = election
        finally:
            self._confirming = None
