"""When a read is repeated, and what it waits for; on a database that only elects and writes."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import NetworkTimeout

from service.domain.errors import StoreUnavailable
from service.storage.reads import Reads


class Electing:
    """A database whose writes wait until they are allowed through or fail."""

    def __init__(self) -> None:
        self.topology = SimpleNamespace(max_election_id=None)
        self.client = SimpleNamespace(topology_description=self.topology)
        self.writes = 0
        self.reads = 0
        self.writing, self.may_write = asyncio.Event(), asyncio.Event()
        self.fails = False

    def elect(self) -> None:
        self.topology.max_election_id = ObjectId()

    def __getitem__(self, _: str) -> "Electing":
        return self

    async def update_one(self, *_: object) -> None:
        self.writes += 1
        self.writing.set()
        await self.may_write.wait()
        if self.fails:
            raise NetworkTimeout

    async def read(self) -> int:
        """Return the number of this read; it begins now and returns a little later."""
        self.reads += 1
        which = self.reads
        await asyncio.sleep(0)
        return which


@pytest.fixture
def database() -> Electing:
    return Electing()


@pytest.fixture
def reads(database: Any) -> Reads:
    return Reads(database)


async def test_without_an_election_a_read_is_made_once(reads: Reads, database: Electing) -> None:
    assert await reads.run(database.read) == 1
    assert database.writes == 0


async def test_each_election_is_confirmed_once_and_its_first_read_repeated(
    reads: Reads, database: Electing
) -> None:
    database.may_write.set()
    found = []
    for _ in range(2):
        database.elect()
        found += [await reads.run(database.read), await reads.run(database.read)]

    assert found == [2, 3, 5, 6]
    assert database.writes == 2


async def test_a_read_is_repeated_if_another_confirms_the_election_meanwhile(
    reads: Reads, database: Electing
) -> None:
    database.may_write.set()
    database.elect()
    answered = asyncio.Event()

    async def slow_read() -> int:
        database.reads += 1
        which = database.reads
        await answered.wait()
        return which

    slow = asyncio.create_task(reads.run(slow_read))
    await asyncio.sleep(0)
    await reads.confirm()
    answered.set()

    assert await slow == 2
    assert database.writes == 1


async def test_a_read_waits_for_as_many_elections_as_there_are(
    reads: Reads, database: Electing
) -> None:
    database.elect()
    waiting = asyncio.create_task(reads.run(database.read))
    await database.writing.wait()
    database.elect()
    database.may_write.set()

    assert await waiting == 3
    assert database.writes == 2


async def test_concurrent_reads_share_the_attempt_and_its_failure(
    reads: Reads, database: Electing
) -> None:
    database.elect()
    database.fails = True
    asked = [asyncio.create_task(reads.run(database.read)) for _ in range(6)]
    await database.writing.wait()
    database.may_write.set()
    failed = await asyncio.gather(*asked, return_exceptions=True)

    assert {type(failure) for failure in failed} == {StoreUnavailable}
    assert database.writes == 1


async def test_a_caller_that_hangs_up_does_not_end_the_attempt_of_the_others(
    reads: Reads, database: Electing
) -> None:
    database.elect()
    gone, waiting = [asyncio.create_task(reads.run(database.read)) for _ in range(2)]
    await database.writing.wait()
    gone.cancel()
    database.may_write.set()

    assert await waiting == 3
    assert database.writes == 1
