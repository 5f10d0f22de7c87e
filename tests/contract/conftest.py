"""The stores on MongoDB, through each driver, and the ones in memory; users also on mongomock.

A module that needs a real MongoDB overrides `kind`. A test that asks for `database` looks
into MongoDB, so it does not run on the store in memory. Each run has a fresh database of each
kind; each test finds it empty.
"""

import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import pytest

from service.storage.driver import Database
from service.storage.indexes import HISTORY, SESSIONS
from service.storage.mongo import MongoSessionStore
from tests.contract.building import opened_store
from tests.contract.mock_database import MockDatabase
from tests.databases import connected, fresh_database, name_of
from tests.memory import MEMORY, MEMORY_OPTION, MemorySessionStore
from tests.storage.mongo_commands import SentCommands

REAL_KINDS = ("motor", "pymongo")


LOOKS_INTO_MONGODB = {"database", "databases", "other_store", "watched"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "kind" not in metafunc.fixturenames or "kind" in (*chosen, *vars(metafunc.module)):
        return
    needs_mongodb = LOOKS_INTO_MONGODB & set(inspect.signature(metafunc.function).parameters)
    kinds = [*REAL_KINDS, *([] if needs_mongodb else [MEMORY])]
    if "users" in metafunc.fixturenames:
        kinds.append("mongomock")
    metafunc.parametrize("kind", kinds)


@pytest.fixture(scope="session")
async def databases(
    request: pytest.FixtureRequest, mongo_url: str
) -> AsyncIterator[Mapping[str, Database]]:
    if request.config.getoption(MEMORY_OPTION):
        yield {}
        return
    async with AsyncExitStack() as stack:
        found: dict[str, Database] = {"mongomock": MockDatabase()}
        for name in REAL_KINDS:
            client = await stack.enter_async_context(connected(name, mongo_url))
            found[name] = await stack.enter_async_context(fresh_database(client))
        yield found


@pytest.fixture
async def database(databases: Mapping[str, Database], kind: str) -> AsyncIterator[Database | None]:
    if kind == MEMORY:
        yield None
        return
    yield databases[kind]
    for name in (SESSIONS, HISTORY):
        await databases[kind][name].delete_many({})


@pytest.fixture
async def store(
    database: Database | None,
) -> AsyncIterator[MongoSessionStore | MemorySessionStore]:
    if database is None:
        yield MemorySessionStore()
        return
    async with opened_store(database) as store:
        yield store


@pytest.fixture
async def other_store(
    database: Database, kind: str, mongo_url: str
) -> AsyncIterator[MongoSessionStore]:
    """Give a store like another process's on the same database: it shares nothing else."""
    async with (
        connected(kind, mongo_url) as client,
        opened_store(client[name_of(database)]) as store,
    ):
        yield store


@pytest.fixture
async def watched(
    database: Database, kind: str, mongo_url: str
) -> AsyncIterator[tuple[MongoSessionStore, SentCommands]]:
    """Give a store on a real database, and the commands it sends from now on."""
    sent = SentCommands()
    async with (
        connected(kind, mongo_url, event_listeners=[sent]) as client,
        opened_store(client[name_of(database)]) as store,
    ):
        sent.take()
        yield store, sent
