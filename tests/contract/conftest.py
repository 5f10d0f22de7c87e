"""One store, on each backend it supports: the whole suite runs on all three.

A module that needs a real MongoDB overrides `kind`. Each run has a fresh database of each
kind; each test finds it empty.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import pytest

from service.storage.driver import Database
from service.storage.indexes import HISTORY, SESSIONS
from service.storage.mongo import MongoSessionStore
from tests.contract.building import store_on
from tests.contract.mock_database import MockDatabase
from tests.databases import connected, fresh_database, name_of
from tests.storage.mongo_commands import SentCommands

REAL_KINDS = ("motor", "pymongo")


@pytest.fixture(params=["mongomock", *REAL_KINDS])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
async def databases(mongo_url: str) -> AsyncIterator[Mapping[str, Database]]:
    async with AsyncExitStack() as stack:
        found: dict[str, Database] = {"mongomock": MockDatabase()}
        for name in REAL_KINDS:
            client = await stack.enter_async_context(connected(name, mongo_url))
            found[name] = await stack.enter_async_context(fresh_database(client))
        yield found


@pytest.fixture
async def database(databases: Mapping[str, Database], kind: str) -> AsyncIterator[Database]:
    yield databases[kind]
    for name in (SESSIONS, HISTORY):
        await databases[kind][name].delete_many({})


@pytest.fixture
async def store(database: Database) -> MongoSessionStore:
    return await store_on(database)


@pytest.fixture
async def other_store(
    database: Database, kind: str, mongo_url: str
) -> AsyncIterator[MongoSessionStore]:
    """Give a store like another process's on the same database: it shares nothing else."""
    async with connected(kind, mongo_url) as client:
        yield await store_on(client[name_of(database)])


@pytest.fixture
async def watched(
    database: Database, kind: str, mongo_url: str
) -> AsyncIterator[tuple[MongoSessionStore, SentCommands]]:
    """Give a store on a real database, and the commands it sends from now on."""
    sent = SentCommands()
    async with connected(kind, mongo_url, event_listeners=[sent]) as client:
        store = await store_on(client[name_of(database)])
        sent.take()
        yield store, sent
