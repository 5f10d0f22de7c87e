"""A sharded cluster would know where to send every hot command.

The shard keys are `_id.s` for the history and `user_id` for the sessions; `mongos` is not
at hand, so the commands are caught on their way and looked at.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from bson import Binary

from service.domain.errors import SessionNotFound
from service.domain.models import ListPage, Selection
from service.domain.window import Window
from service.storage.driver import Database
from service.storage.indexes import HISTORY, SESSIONS
from service.storage.mongo import MongoSessionStore
from tests.contract.building import (
    ALICE,
    keyed,
    log_interrupted_before_move,
    mark_deleted,
    messages,
    open_session,
    store_on,
)
from tests.databases import connected, fresh_database
from tests.storage.mongo_commands import Command, SentCommands, filters_of


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
async def store(database: Database) -> MongoSessionStore:
    return await store_on(database)


@pytest.fixture
def caught(store: MongoSessionStore, sent: SentCommands) -> SentCommands:
    """Return what is sent from here on."""
    sent.take()
    return sent


def lacks_shard_key(command: Command, session_id: UUID) -> list[Command]:
    """Return the filters of a command that a sharded cluster would have to send everywhere."""
    if next(iter(command.values())) == HISTORY:
        wanted: dict[str, Any] = {"_id.s": Binary.from_uuid(session_id)}
    else:
        wanted = {"user_id": "alice"}
    return [f for f in filters_of(command) if not names(f, wanted)]


def names(query: Command, wanted: Command) -> bool:
    ((field, value),) = wanted.items()
    return query.get(field) in (value, {"$in": [value]})


async def test_every_hot_command_names_its_shard(
    store: MongoSessionStore, caught: SentCommands
) -> None:
    session = await open_session(store)

    await store.append(ALICE, session.id, messages("ab"))
    await store.append(ALICE, session.id, keyed("cd"))
    await store.append(ALICE, session.id, keyed("cd"))
    await store.get(ALICE, session.id)
    await store.read(ALICE, session.id, Window(limit=2, newest=True))
    await store.update(ALICE, session.id, lambda head: head.model_copy(update={"start": 2}))
    await store.list_heads(ALICE, ListPage(limit=2), Selection())
    await asyncio.gather(*(store.list_heads(ALICE, ListPage(limit=2), Selection()) for _ in "ab"))
    await store.count(ALICE, Selection())
    await store.find_by_key("alice", "k")
    await store.delete(ALICE, session.id)

    commands = caught.take()
    kinds = {(next(iter(c)), next(iter(c.values()))) for c in commands}
    assert {
        *(("insert", SESSIONS), ("find", SESSIONS), ("update", SESSIONS), ("aggregate", SESSIONS)),
        *(("findAndModify", SESSIONS), ("insert", HISTORY), ("find", HISTORY)),
        ("delete", HISTORY),
    } == kinds
    assert [f for c in commands for f in lacks_shard_key(c, session.id)] == []


async def test_messages_that_are_taken_back_are_removed_in_their_shard(
    store: MongoSessionStore, database: Database, caught: SentCommands
) -> None:
    session = await open_session(store)
    late = log_interrupted_before_move(database, lambda: mark_deleted(database, session))

    with pytest.raises(SessionNotFound):
        await late.append(ALICE, session.id, messages("ab"))

    removals = [command for command in caught.take() if "delete" in command]
    assert {"_id", "_id.s"} == filters_of(removals[-1])[0].keys()
    assert [f for c in removals for f in lacks_shard_key(c, session.id)] == []
