"""Outages: each call returns in time, and says whether something may have changed."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
from pymongo.uri_parser import parse_uri

from config.settings import Settings
from service.domain.access import EVERYBODY
from service.domain.errors import OutcomeUnknown, StoreUnavailable
from service.domain.models import ListPage, Selection, utc_now
from service.storage import driver
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from tests.contract.building import (
    ALICE,
    DEADLINE_S,
    EVERYTHING,
    ids_of,
    messages,
    new_session,
    open_session,
)
from tests.contract.conftest import REAL_KINDS
from tests.contract.silent_proxy import SilentProxy, silent_proxy
from tests.databases import name_of

MONGO_TIMEOUT_S = 1.0
CONNECTIONS = 20
MONITORS = 2
ID = uuid4()

Call = Callable[[MongoSessionStore], Awaitable[Any]]

READS: dict[str, Call] = {
    "get": lambda store: store.get(ALICE, ID),
    "exists": lambda store: store.exists(EVERYBODY, ID),
    "find_by_key": lambda store: store.find_by_key(EVERYBODY, "alice", "k"),
    "list_heads": lambda store: store.list_heads(ALICE, ListPage(limit=1), Selection()),
    "count": lambda store: store.count(ALICE, Selection()),
    "scan": lambda store: ids_of(store.scan(ALICE, Selection())),
    "read": lambda store: store.read(ALICE, ID, EVERYTHING),
    "newest_of_each": lambda store: store.newest_of_each(EVERYBODY, [new_session(end=1)], limit=1),
    "sweep": lambda store: store.sweep(begun_before=utc_now()),
    # These change something, but read first.
    "delete": lambda store: store.delete(ALICE, ID),
    "update": lambda store: store.update(ALICE, ID, lambda head: head),
    "append": lambda store: store.append(ALICE, ID, messages("a")),
}
CHANGES: dict[str, Call] = {
    "prepare": lambda store: store.prepare(),
    "create": lambda store: store.create(new_session(id=ID)),
}


@pytest.fixture(params=REAL_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def settings_for(kind: str) -> Settings:
    return Settings(_env_file=None, mongo_driver=kind, mongo_timeout_s=MONGO_TIMEOUT_S)


async def store_at(
    url: str, kind: str, name: str, **options: Any
) -> AsyncIterator[MongoSessionStore]:
    client = driver.connect(settings_for(kind), url, **options)
    store = MongoSessionStore(client[name], append_deadline_s=DEADLINE_S)
    store.is_prepared = True
    yield store
    await store.close()
    await driver.close(client)


@pytest.fixture
async def away(kind: str) -> AsyncIterator[MongoSessionStore]:
    """Give a store whose database is missing: no one listens on its port."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        url = f"mongodb://127.0.0.1:{holder.getsockname()[1]}/?directConnection=true"
        async for store in store_at(url, kind, "away"):
            yield store


@pytest.fixture
async def proxy(mongo_url: str) -> AsyncIterator[tuple[SilentProxy, str]]:
    ((host, port),) = parse_uri(mongo_url)["nodelist"]
    async with silent_proxy(host, port) as found:
        yield found


@pytest.fixture
async def store_behind(
    proxy: tuple[SilentProxy, str], kind: str, database: Database
) -> AsyncIterator[MongoSessionStore]:
    """Give a store that has a connection for each call before the database falls silent."""
    async for store in store_at(proxy[1], kind, name_of(database), minPoolSize=CONNECTIONS):
        await store.exists(EVERYBODY, ID)
        await proxy[0].connected(CONNECTIONS + MONITORS)
        yield store


async def failure_of(call: Awaitable[Any]) -> tuple[type[Exception], float]:
    """Return how the call fails, and after how many seconds."""
    begun = monotonic()
    with pytest.raises(StoreUnavailable) as failure:
        await call
    return failure.type, monotonic() - begun


async def test_every_call_on_an_unreachable_database_reports_in_time_that_nothing_changed(
    away: MongoSessionStore,
) -> None:
    calls = (READS | CHANGES).values()

    failures = await asyncio.gather(*(failure_of(call(away)) for call in calls))

    assert {StoreUnavailable} == {kind for kind, _ in failures}
    assert max(duration_s for _, duration_s in failures) <= MONGO_TIMEOUT_S + 1


async def test_calls_on_a_silent_database_report_in_time_what_may_have_changed(
    store: MongoSessionStore, store_behind: MongoSessionStore, proxy: tuple[SilentProxy, str]
) -> None:
    calls = READS | CHANGES
    await open_session(store, id=ID)
    proxy[0].silence()

    failures = await asyncio.gather(*(failure_of(call(store_behind)) for call in calls.values()))

    kinds = dict(zip(calls, (kind for kind, _ in failures), strict=True))
    assert dict.fromkeys(READS, StoreUnavailable) | dict.fromkeys(CHANGES, OutcomeUnknown) == kinds
    assert max(duration_s for _, duration_s in failures) <= MONGO_TIMEOUT_S + 1
