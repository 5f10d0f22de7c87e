"""An append whose database fell silent is retried once if it cannot be stored twice."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest
from pymongo.uri_parser import parse_uri

from config.settings import Settings
from service.domain.errors import OutcomeUnknown
from service.storage import driver
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from tests.contract.building import (
    ALICE,
    DEADLINE_S,
    keyed,
    log_of,
    messages,
    open_session,
    seqs_of,
    texts_of,
)
from tests.contract.conftest import REAL_KINDS
from tests.databases import name_of
from tests.faults.rig.proxy import Fault, FaultProxy, fault_proxy, is_command

MONGO_TIMEOUT_S = 0.5


@pytest.fixture(params=REAL_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def proxy(mongo_url: str) -> AsyncIterator[tuple[FaultProxy, int]]:
    [(_, port)] = parse_uri(mongo_url)["nodelist"]
    async with fault_proxy(port, Random(0), is_command("insert", "aggregate")) as found:
        yield found


@pytest.fixture
async def far(
    kind: str, proxy: tuple[FaultProxy, int], database: Database
) -> AsyncIterator[MongoSessionStore]:
    """Give a store that reaches the database through the proxy."""
    settings = Settings(_env_file=None, mongo_driver=kind, mongo_timeout_s=MONGO_TIMEOUT_S)
    url = f"mongodb://127.0.0.1:{proxy[1]}/?directConnection=true"
    client = driver.connect(settings, url)
    found = MongoSessionStore(client[name_of(database)], append_deadline_s=DEADLINE_S)
    found.is_prepared = True
    yield found
    await found.close()
    await driver.close(client)


async def lose_replies(proxy: FaultProxy, count: int) -> None:
    """Let the database stay silent on this many writes, then respond again."""
    proxy.fault = Fault.LOST_REPLY
    while proxy.hits < count:  # noqa: ASYNC110  The proxy has no event for it.
        await asyncio.sleep(0.001)
    proxy.fault = Fault.NONE


@pytest.mark.parametrize("texts", ["a", "abc"])
async def test_a_keyed_append_is_acknowledged_in_the_end_and_made_once(
    store: MongoSessionStore, far: MongoSessionStore, proxy: tuple[FaultProxy, int], texts: str
) -> None:
    session = await open_session(store)
    await far.get(ALICE, session.id)
    losing = asyncio.create_task(lose_replies(proxy[0], 1))

    stored = await far.append(ALICE, session.id, keyed(texts))

    await losing
    log = await log_of(store, session)
    assert texts_of(log) == texts
    assert seqs_of(stored) == seqs_of(log) == list(range(1, len(texts) + 1))


async def test_an_append_without_a_key_is_not_retried(
    store: MongoSessionStore, far: MongoSessionStore, proxy: tuple[FaultProxy, int]
) -> None:
    session = await open_session(store)
    await far.get(ALICE, session.id)
    losing = asyncio.create_task(lose_replies(proxy[0], 1))

    with pytest.raises(OutcomeUnknown):
        await far.append(ALICE, session.id, messages("a"))

    await losing
    await store.append(ALICE, session.id, messages("b"))
    assert texts_of(await log_of(store, session)) == "ab"


async def test_a_keyed_append_stays_unknown_while_the_database_is_silent(
    store: MongoSessionStore, far: MongoSessionStore, proxy: tuple[FaultProxy, int]
) -> None:
    session = await open_session(store)
    await far.get(ALICE, session.id)
    proxy[0].fault = Fault.LOST_REPLY

    with pytest.raises(OutcomeUnknown):
        await far.append(ALICE, session.id, keyed("a"))

    await store.append(ALICE, session.id, keyed("a"))
    assert texts_of(await log_of(store, session)) == "a"


async def test_a_caller_that_hangs_up_meanwhile_does_not_affect_the_others(
    store: MongoSessionStore, far: MongoSessionStore, proxy: tuple[FaultProxy, int]
) -> None:
    session = await open_session(store)
    await far.get(ALICE, session.id)
    losing = asyncio.create_task(lose_replies(proxy[0], 1))
    gone, *others = [
        asyncio.create_task(far.append(ALICE, session.id, [message])) for message in keyed("abc")
    ]

    await losing
    gone.cancel()
    await asyncio.gather(*others)

    assert texts_of(await log_of(store, session)) == "abc"
