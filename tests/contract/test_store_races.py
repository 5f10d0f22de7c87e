"""Two processes on one real MongoDB, and logs too long for a mock."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise

import pytest

from service.domain.errors import SessionKeyTaken, SessionNotFound
from service.domain.models import Message, Session, utc_now
from service.domain.rules import MAX_MESSAGES_PER_APPEND
from service.domain.sessions import emptied
from service.storage.driver import Database
from service.storage.indexes import missing_indexes
from service.storage.mongo import MongoSessionStore
from tests.contract.building import (
    ALICE,
    EVERYTHING,
    keyed,
    log_of,
    message,
    messages,
    new_session,
    open_session,
    seqs_of,
    store_on,
    stored_entries,
    stored_seqs,
    texts_of,
)
from tests.contract.conftest import REAL_KINDS
from tests.databases import connected, fresh_database
from tests.every import every

SOON = utc_now() + timedelta(hours=1)


@pytest.fixture(params=REAL_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stores(store: MongoSessionStore, other_store: MongoSessionStore) -> list[MongoSessionStore]:
    return [store, other_store]


def dense(first: int, count: int) -> list[int]:
    return list(range(first, first + count))


def is_ascending(numbers: list[int]) -> bool:
    return all(first < second for first, second in pairwise(numbers))


async def write(
    stores: Sequence[MongoSessionStore], session: Session, writers: int, appends: int, size: int
) -> list[Message]:
    """Let writers append concurrently, alternating between stores; return what was acknowledged."""

    async def writer(number: int) -> list[Message]:
        acknowledged = []
        for turn in range(appends):
            sent = [message(f"{number}:{turn * size + i}") for i in range(size)]
            store = stores[number % len(stores)]
            acknowledged += await store.append(ALICE, session.id, sent)
        return acknowledged

    written = await asyncio.gather(*(writer(number) for number in range(writers)))
    return [message for found in written for message in found]


@pytest.mark.parametrize("size", [1, 3])
async def test_twenty_writers_on_two_stores_leave_a_complete_log_without_gaps(
    store: MongoSessionStore, stores: list[MongoSessionStore], size: int
) -> None:
    session = await open_session(store)

    acknowledged = await write(stores, session, writers=20, appends=5, size=size)

    log = await log_of(store, session)
    assert dense(1, 100 * size) == seqs_of(log)
    assert sorted(acknowledged, key=lambda message: message.seq) == log


async def test_messages_of_one_writer_stay_in_order(
    store: MongoSessionStore, stores: list[MongoSessionStore]
) -> None:
    session = await open_session(store)

    await write(stores, session, writers=10, appends=5, size=2)

    order: dict[str, list[int]] = {}
    for found in await log_of(store, session):
        writer, turn = str(found.content).split(":")
        order.setdefault(writer, []).append(int(turn))
    assert {str(writer): dense(0, 10) for writer in range(10)} == order


async def test_one_store_shows_what_the_other_acknowledged(
    store: MongoSessionStore, other_store: MongoSessionStore
) -> None:
    session = await open_session(store)

    for count in range(1, 11):
        await store.append(ALICE, session.id, messages("x"))
        head, found = await other_store.read(ALICE, session.id, EVERYTHING)

        assert (count, count) == (head.end, len(found))


async def test_concurrent_replays_on_two_stores_store_each_message_once(
    store: MongoSessionStore, stores: list[MongoSessionStore]
) -> None:
    session = await open_session(store)

    answers = await asyncio.gather(
        *(stores[n % 2].append(ALICE, session.id, keyed("abc")) for n in range(20))
    )

    assert every(answer == answers[0] for answer in answers)
    assert sorted("abc") == sorted(texts_of(await log_of(store, session)))


async def test_single_replays_on_two_stores_alongside_other_writers_store_each_message_once(
    store: MongoSessionStore, stores: list[MongoSessionStore]
) -> None:
    session = await open_session(store)
    keys = [str(n) for n in range(20)] * 4
    random.Random(1).shuffle(keys)

    await asyncio.gather(
        write(stores, session, writers=4, appends=5, size=1),
        *(
            stores[n % 2].append(ALICE, session.id, [message("r", client_key=key)])
            for n, key in enumerate(keys)
        ),
    )

    log = await log_of(store, session)
    assert dense(1, 40) == seqs_of(log)
    assert set(keys) == {message.client_key for message in log if message.client_key}


async def test_only_one_of_two_stores_creates_a_key(
    store: MongoSessionStore, stores: list[MongoSessionStore]
) -> None:
    answers = await asyncio.gather(
        *(stores[n % 2].create(new_session(key="k")) for n in range(20)), return_exceptions=True
    )

    assert answers.count(None) == 1
    assert sum(isinstance(answer, SessionKeyTaken) for answer in answers) == 19


async def test_concurrent_updates_and_appends_lose_nothing(
    store: MongoSessionStore, stores: list[MongoSessionStore]
) -> None:
    session = await open_session(store, metadata={"count": 0})

    def counted(head: Session) -> Session:
        metadata = head.metadata or {}
        return head.model_copy(update={"metadata": {"count": metadata["count"] + 1}})

    await asyncio.gather(
        write(stores, session, writers=4, appends=5, size=1),
        *(stores[n % 2].update(ALICE, session.id, counted) for n in range(20)),
    )

    head, log = await store.read(ALICE, session.id, EVERYTHING)
    assert head.metadata == {"count": 20}
    assert dense(1, 20) == seqs_of(log)
    assert log[-1].content == (head.preview and head.preview.text)
    assert max(message.created_at for message in log) == head.last_active


async def test_a_store_continues_in_order_after_the_other_appended_and_cleared(
    store: MongoSessionStore, other_store: MongoSessionStore
) -> None:
    session = await open_session(store, "ab")
    await other_store.append(ALICE, session.id, messages("c"))
    await other_store.update(ALICE, session.id, emptied)

    appended = await store.append(ALICE, session.id, messages("xyz"))

    assert seqs_of(appended) == [4, 5, 6]
    assert texts_of(await log_of(store, session)) == "xyz"


async def test_a_store_appends_nothing_to_a_session_the_other_deleted(
    store: MongoSessionStore, other_store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "ab")
    await other_store.delete(ALICE, session.id)

    with pytest.raises(SessionNotFound):
        await store.append(ALICE, session.id, messages("xyz"))

    assert await stored_seqs(database, session.id) == [1, 2]


@pytest.mark.parametrize("size", [1, 3])
async def test_concurrent_clears_and_appends_never_reuse_a_number_or_leave_a_gap(
    store: MongoSessionStore, stores: list[MongoSessionStore], database: Database, size: int
) -> None:
    session = await open_session(store)

    async def clear(number: int) -> None:
        for _ in range(10):
            await stores[number].update(ALICE, session.id, emptied)

    acknowledged, *_ = await asyncio.gather(
        write(stores, session, writers=10, appends=10, size=size), clear(0), clear(1)
    )
    while await store.sweep(begun_before=SOON):
        pass

    head, log = await store.read(ALICE, session.id, EVERYTHING)
    numbers = seqs_of(acknowledged)
    assert len(set(numbers)) == len(numbers) == 100 * size
    assert every(is_ascending(numbers[i : i + size]) for i in range(0, len(numbers), size))
    assert dense(head.start, head.message_count) == seqs_of(log)
    assert seqs_of(log) == await stored_seqs(database, session.id)
    assert sorted(n for n in numbers if n >= head.start) == seqs_of(log)


async def test_a_delete_during_appends_leaves_nothing_behind(
    store: MongoSessionStore, stores: list[MongoSessionStore], database: Database
) -> None:
    sessions = [await open_session(store, "ab") for _ in range(10)]

    async def append_until_deleted(store: MongoSessionStore, session: Session) -> None:
        with suppress(SessionNotFound):
            while True:
                await store.append(ALICE, session.id, messages("xy"))

    async def append_and_delete(session: Session) -> None:
        appends = [append_until_deleted(stores[n % 2], session) for n in range(4)]
        async with asyncio.timeout(20):
            await asyncio.gather(*appends, stores[1].delete(ALICE, session.id))

    await asyncio.gather(*(append_and_delete(session) for session in sessions))

    await store.sweep(begun_before=SOON)
    assert [await stored_entries(database, session.id) for session in sessions] == [[]] * 10


async def test_stores_can_prepare_one_database_at_the_same_time(kind: str, mongo_url: str) -> None:
    async with connected(kind, mongo_url) as client, fresh_database(client) as database:
        await asyncio.gather(*(store_on(database) for _ in range(5)))

        assert await missing_indexes(database) == []


async def test_one_append_takes_as_many_messages_as_the_rules_allow(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store)
    many = [message(str(n)) for n in range(MAX_MESSAGES_PER_APPEND)]

    appended = await store.append(ALICE, session.id, many)

    assert dense(1, MAX_MESSAGES_PER_APPEND) == seqs_of(appended)
    assert appended == await log_of(store, session)
