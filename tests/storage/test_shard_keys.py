"""A sharded cluster can route every hot command, as docs/scaling.md says.

`mongos` is not available here, so the commands are captured and examined.
"""

from collections.abc import AsyncIterator

import pytest

from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from service.storage.users import MongoUserStore
from tests.contract.building import (
    ALICE,
    BOB,
    keyed,
    open_session,
    opened_store,
)
from tests.databases import connected, fresh_database
from tests.storage.hot_calls import calls, rows_of, table
from tests.storage.mongo_commands import SentCommands
from tests.storage.shard_keys import DOCUMENT

# Calls that go to every shard, and why that is acceptable (docs/scaling.md has the costs).
ASK_ALL = {
    "list an agent's sessions": "A page of a dashboard: few people look at it.",
    "get a head, as an agent or admin": "The owner is not known; one key lookup in each shard.",
    "is it another's? (404 or 403)": "Only after a miss.",
    "sweep, every 30 s": "Once for each process, along an index that is almost empty.",
    "export": "It wants everything.",
}


@pytest.fixture(scope="module")
def sent() -> SentCommands:
    return SentCommands()


@pytest.fixture(scope="module")
async def database(mongo_url: str, sent: SentCommands) -> AsyncIterator[Database]:
    async with (
        connected("motor", mongo_url, event_listeners=[sent]) as client,
        fresh_database(client) as database,
    ):
        yield database


@pytest.fixture(scope="module")
async def store(database: Database) -> AsyncIterator[MongoSessionStore]:
    async with opened_store(database) as store:
        yield store


@pytest.fixture(scope="module")
async def rows(
    store: MongoSessionStore, database: Database, sent: SentCommands
) -> list[tuple[str, ...]]:
    """Return a row for each command of each call, in this order."""
    made = await open_session(store, "abc"), await open_session(store, "abc")
    await store.append(ALICE, made[0].id, keyed("k"))
    one, two = [await store.get(ALICE, session.id) for session in made]
    gone, emptied = [await open_session(store, "a", user_id="bob") for _ in range(2)]
    await store.delete(BOB, gone.id)
    await store.update(BOB, emptied.id, lambda head: head.model_copy(update={"start": 2}))
    users = MongoUserStore(database)
    # A store confirms the election with its first read, but not on a sharded cluster.
    await users.count(ALICE)
    await store.close()
    # The head of a session that went with a deleted one may have been forgotten.
    await store.get(ALICE, two.id)
    rows: list[tuple[str, ...]] = []
    for call, make in calls(store, users, one, two).items():
        # On a busy machine it would be too long ago that an append knew the head.
        await store.get(ALICE, one.id)
        sent.take()
        await make()
        # So that what follows it later is in its rows.
        await store.close()
        rows += rows_of(call, sent.take())
    return rows


def test_the_document_shows_what_every_call_sends_and_where(rows: list[tuple[str, ...]]) -> None:

    assert table(rows) in DOCUMENT


def test_only_commands_with_a_reason_go_to_every_shard(rows: list[tuple[str, ...]]) -> None:
    scattered = {call for call, *_, shards in rows if shards == "**all**"}

    assert scattered == ASK_ALL.keys()
