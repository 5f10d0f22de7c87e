"""Creates and reads of heads share calls on a real MongoDB; each gets its own result."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from service.domain.access import EVERYBODY
from service.domain.errors import SessionIdTaken, SessionKeyTaken, SessionNotFound
from service.domain.models import Session
from service.domain.sessions import emptied
from service.storage.mongo import MAX_CREATES, MongoSessionStore
from tests.contract.batching import names_of, open_sessions
from tests.contract.building import ALICE, BOB, messages, new_session, open_session
from tests.contract.conftest import REAL_KINDS
from tests.every import every
from tests.storage.mongo_commands import SentCommands


@pytest.fixture(params=REAL_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def create_all(store: MongoSessionStore, sessions: list[Session]) -> list[Any]:
    return await asyncio.gather(*map(store.create, sessions), return_exceptions=True)


async def test_concurrent_creates_share_a_call(
    watched: tuple[MongoSessionStore, SentCommands],
) -> None:
    store, sent = watched
    sessions = [new_session() for _ in range(64)]

    await create_all(store, sessions)

    assert names_of(sent.take()) == {"insert": 1}
    assert sessions == [await store.get(ALICE, session.id) for session in sessions]


async def test_too_many_concurrent_creates_take_two_calls(
    watched: tuple[MongoSessionStore, SentCommands],
) -> None:
    store, sent = watched

    await create_all(store, [new_session() for _ in range(MAX_CREATES + 1)])

    assert names_of(sent.take()) == {"insert": 2}


async def test_a_taken_key_or_id_among_many_creates_fails_alone(store: MongoSessionStore) -> None:
    there = await open_session(store, key="k")
    sessions = [new_session(key=str(n)) for n in range(64)]
    sessions[10] = new_session(key="k")
    sessions[20] = new_session(id=there.id)
    sessions[30] = new_session(key="5")

    answers = await create_all(store, sessions)

    failures = {i: type(answer) for i, answer in enumerate(answers) if answer is not None}
    assert failures == {10: SessionKeyTaken, 20: SessionIdTaken, 30: SessionKeyTaken}
    for i in set(range(64)) - set(failures):
        assert sessions[i] == await store.get(ALICE, sessions[i].id)
    assert there == await store.get(ALICE, there.id)


async def test_concurrent_reads_of_heads_share_a_call(
    watched: tuple[MongoSessionStore, SentCommands],
) -> None:
    store, sent = watched
    sessions = await open_sessions(store, 32)
    sent.take()

    found = await asyncio.gather(*(store.get(ALICE, session.id) for session in 2 * sessions))

    assert names_of(sent.take()) == {"aggregate": 1}
    assert 2 * sessions == found


async def test_reads_that_share_a_call_each_keep_their_own_reach(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store)

    answers = await asyncio.gather(
        store.get(ALICE, session.id),
        store.get(BOB, session.id),
        store.get(EVERYBODY, session.id),
        store.get(BOB, session.id),
        store.get(ALICE, uuid4()),
        store.get(ALICE, session.id),
        return_exceptions=True,
    )

    assert [answer == session for answer in answers] == [True, False, True, False, False, True]
    assert [i for i, a in enumerate(answers) if isinstance(a, SessionNotFound)] == [1, 3, 4]


async def test_a_read_that_joins_others_sees_everything_acknowledged_before_it_arrived(
    store: MongoSessionStore, other_store: MongoSessionStore
) -> None:
    session = await open_session(store)
    acknowledged = 0
    is_over = False

    async def append() -> None:
        nonlocal acknowledged, is_over
        for turn in range(100):
            writer = (store, other_store)[turn % 2]
            (appended,) = await writer.append(ALICE, session.id, messages("x"))
            acknowledged = appended.seq
        is_over = True

    async def read(reader: MongoSessionStore) -> list[tuple[int, int]]:
        seen = []
        while not is_over:
            before = acknowledged
            seen.append((before, (await reader.get(ALICE, session.id)).end))
        return seen

    readers = [
        asyncio.create_task(read(reader)) for reader in (store, other_store) for _ in range(5)
    ]
    await append()
    seen = await asyncio.gather(*readers)

    assert every(before <= end for found in seen for before, end in found)
    assert min(map(len, seen)) > 10


async def test_reads_that_join_others_see_clears_and_deletes_by_another_process(
    store: MongoSessionStore, other_store: MongoSessionStore
) -> None:
    sessions = await open_sessions(store, 20, "ab")
    others = await open_sessions(store, 5)
    is_over = False

    async def keep_reading() -> None:
        while not is_over:
            await asyncio.gather(*(store.get(ALICE, session.id) for session in others))

    async def clear_and_delete(session: Session) -> tuple[int, bool]:
        await other_store.update(ALICE, session.id, emptied)
        count = (await store.get(ALICE, session.id)).message_count
        await other_store.delete(ALICE, session.id)
        with pytest.raises(SessionNotFound):
            await store.get(ALICE, session.id)
        return count, await store.exists(EVERYBODY, session.id)

    reading = asyncio.create_task(keep_reading())
    seen = [await clear_and_delete(session) for session in sessions]
    is_over = True
    await reading

    assert seen == [(0, False)] * 20
