"""Lists of heads: order, ties, pages, selections, counts, and the scan through all."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from service.domain.access import EVERYBODY
from service.domain.models import ListPage, Selection, Session, SortBy, utc_now
from service.storage import documents
from service.storage.driver import Database
from service.storage.indexes import SESSIONS
from service.storage.mongo import MongoSessionStore
from service.storage.scanning import SCAN_BATCH
from tests.contract.building import (
    ALICE,
    BOB,
    ids_of,
    message,
    new_session,
    open_session,
)
from tests.every import every

NOW = utc_now()
OF_ALICE = Selection(user_id="alice")
WHOLE = ListPage(limit=1000)
MANY = 2 * SCAN_BATCH + 50


def at(minute: int) -> dict[str, Any]:
    """Return the times of a session: those active last were created first."""
    minutes = timedelta(minutes=minute)
    return {"created_at": NOW + minutes, "last_active": NOW + timedelta(hours=1) - minutes}


async def store_many(database: Database, count: int, **fields: Any) -> list[UUID]:
    """Store sessions, and return their ids in order."""
    sessions = [new_session(**fields) for _ in range(count)]
    await database[SESSIONS].insert_many([documents.to_head(session) for session in sessions])
    return sorted(session.id for session in sessions)


def ids(sessions: Sequence[Session]) -> list[UUID]:
    return [session.id for session in sessions]


@pytest.mark.parametrize(
    ("sort_by", "descending", "expected"),
    [
        (SortBy.CREATED_AT, True, [3, 2, 1]),
        (SortBy.CREATED_AT, False, [1, 2, 3]),
        (SortBy.LAST_ACTIVE, True, [1, 2, 3]),
        (SortBy.LAST_ACTIVE, False, [3, 2, 1]),
    ],
)
async def test_a_list_is_ordered_by_the_time_it_is_sorted_by(
    store: MongoSessionStore, sort_by: SortBy, expected: list[int], *, descending: bool
) -> None:
    created = {minute: await open_session(store, **at(minute)) for minute in (2, 1, 3)}

    page = ListPage(limit=10, sort_by=sort_by, descending=descending)
    found = await store.list_heads(ALICE, page, OF_ALICE)

    assert [created[minute] for minute in expected] == found


@pytest.mark.parametrize("sort_by", SortBy)
@pytest.mark.parametrize("descending", [False, True])
async def test_sessions_with_the_same_time_are_ordered_by_id(
    store: MongoSessionStore, database: Database, sort_by: SortBy, *, descending: bool
) -> None:
    in_order = await store_many(database, 20, **at(0))

    page = ListPage(limit=20, sort_by=sort_by, descending=descending)
    found = await store.list_heads(ALICE, page, OF_ALICE)

    assert sorted(in_order, reverse=descending) == ids(found)


async def test_pages_show_each_session_once_and_in_order(
    store: MongoSessionStore, database: Database
) -> None:
    in_order = await store_many(database, 10, **at(0))

    pages = [
        await store.list_heads(ALICE, ListPage(limit=3, skip=skip, descending=False), OF_ALICE)
        for skip in range(0, 15, 3)
    ]

    assert [len(page) for page in pages] == [3, 3, 3, 1, 0]
    assert in_order == [session.id for page in pages for session in page]


async def test_a_session_moves_up_in_the_list_when_it_gets_a_message(
    store: MongoSessionStore,
) -> None:
    quiet, busy = await open_session(store), await open_session(store)
    later = utc_now() + timedelta(seconds=1)

    await store.append(ALICE, quiet.id, [message(created_at=later)])

    page = ListPage(limit=10, sort_by=SortBy.LAST_ACTIVE)
    assert [quiet.id, busy.id] == ids(await store.list_heads(ALICE, page, OF_ALICE))


async def test_a_list_shows_heads_as_get_does(store: MongoSessionStore) -> None:
    session = await open_session(store, "ab", title="t", metadata={"a": 1}, key="k")

    found = await store.list_heads(ALICE, WHOLE, OF_ALICE)

    assert [await store.get(ALICE, session.id)] == found


async def test_lists_can_be_of_one_user_one_agent_or_both(store: MongoSessionStore) -> None:
    made = {
        f"{user}/{agent}": await open_session(store, user_id=user, agent_id=agent)
        for user in ("alice", "bob")
        for agent in ("x", "y")
    }

    async def shown(**selected: str) -> set[str]:
        found = ids(await store.list_heads(EVERYBODY, WHOLE, Selection(**selected)))
        assert len(found) == await store.count(EVERYBODY, Selection(**selected))
        return {name for name, session in made.items() if session.id in found}

    assert {"alice/x", "alice/y"} == await shown(user_id="alice")
    assert {"alice/x", "bob/x"} == await shown(agent_id="x")
    assert {"bob/y"} == await shown(user_id="bob", agent_id="y")
    assert set() == await shown(user_id="carol")


async def test_a_list_can_show_only_tests(store: MongoSessionStore) -> None:
    await open_session(store)
    test = await open_session(store, is_test=True)
    tests = Selection(user_id="alice", tests_only=True)

    assert [test] == await store.list_heads(ALICE, WHOLE, tests)
    assert await store.count(ALICE, tests) == 1


METADATA = {"project": "x", "n": 1, "tags": ["a", "b"], "$gt": "", "a.b": {"y": 1, "z": None}}


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"project": "x"},
        {"n": 1},
        {"tags": ["a", "b"]},
        {"$gt": ""},
        {"a.b": {"z": None, "y": 1}},
        METADATA,
    ],
    ids=str,
)
async def test_metadata_selects_sessions_with_equal_values(
    store: MongoSessionStore, metadata: dict[str, Any]
) -> None:
    session = await open_session(store, metadata=METADATA)
    selection = Selection(user_id="alice", metadata=metadata)

    assert [session] == await store.list_heads(ALICE, WHOLE, selection)
    assert await store.count(ALICE, selection) == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"project": "y"},
        {"project": {"$ne": "y"}},
        {"n": "1"},
        {"n": None},
        {"tags": ["b", "a"]},
        {"tags": "a"},
        {"other": None},
        {"a": {"b": {"y": 1, "z": None}}},
        METADATA | {"other": 1},
    ],
    ids=str,
)
async def test_metadata_that_differs_selects_nothing(
    store: MongoSessionStore, metadata: dict[str, Any]
) -> None:
    await open_session(store, metadata=METADATA)
    await open_session(store)
    selection = Selection(user_id="alice", metadata=metadata)

    assert await store.list_heads(ALICE, WHOLE, selection) == []
    assert await store.count(ALICE, selection) == 0


async def test_sessions_are_selected_by_the_metadata_they_have_now(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store, metadata={"stage": 1})
    await store.update(
        ALICE, session.id, lambda head: head.model_copy(update={"metadata": {"stage": 2}})
    )

    before, after = (Selection(user_id="alice", metadata={"stage": stage}) for stage in (1, 2))

    assert await store.list_heads(ALICE, WHOLE, before) == []
    assert [session.id] == ids(await store.list_heads(ALICE, WHOLE, after))


async def test_deleted_sessions_are_not_listed_counted_or_scanned(
    store: MongoSessionStore,
) -> None:
    gone, kept = await open_session(store), await open_session(store)

    await store.delete(ALICE, gone.id)

    assert [kept] == await store.list_heads(ALICE, WHOLE, OF_ALICE)
    assert await store.count(ALICE, OF_ALICE) == 1
    assert [kept.id] == await ids_of(store.scan(ALICE, OF_ALICE))


async def test_a_scan_shows_each_session_once_in_id_order(
    store: MongoSessionStore, database: Database
) -> None:
    in_order = await store_many(database, MANY)

    assert in_order == await ids_of(store.scan(EVERYBODY, Selection()))


@pytest.mark.parametrize("count", [0, 1, SCAN_BATCH - 1, SCAN_BATCH, SCAN_BATCH + 1])
async def test_a_scan_ends_wherever_its_last_batch_does(
    store: MongoSessionStore, database: Database, count: int
) -> None:
    in_order = await store_many(database, count) if count else []

    assert in_order == await ids_of(store.scan(EVERYBODY, Selection()))


async def test_a_scan_visits_only_the_selected_sessions(
    store: MongoSessionStore, database: Database
) -> None:
    of_alice = await store_many(database, SCAN_BATCH + 5, agent_id="x")
    of_bob = await store_many(database, SCAN_BATCH + 5, agent_id="x", user_id="bob")
    await store_many(database, 5, agent_id="y")

    assert of_bob == await ids_of(store.scan(BOB, Selection()))
    assert of_alice == await ids_of(store.scan(ALICE, Selection(agent_id="x")))
    assert sorted(of_alice + of_bob) == await ids_of(store.scan(EVERYBODY, Selection(agent_id="x")))


async def test_a_scan_shows_lasting_sessions_once_while_others_come_and_go(
    store: MongoSessionStore, database: Database
) -> None:
    lasting = await store_many(database, MANY)
    passing = await store_many(database, 50)

    seen = []
    async for session in store.scan(ALICE, OF_ALICE):
        seen.append(session.id)
        if len(seen) % 20 == 0:
            await open_session(store)
            await store.delete(ALICE, passing.pop())

    assert lasting == [session_id for session_id in seen if session_id in set(lasting)]
    assert every(first < second for first, second in pairwise(seen))


async def test_lists_show_what_their_process_appended_and_soon_what_others_did(
    store: MongoSessionStore, other_store: MongoSessionStore
) -> None:
    sessions = [await open_session(store) for _ in range(10)]
    page = ListPage(limit=20)

    async def ends(lister: MongoSessionStore) -> list[int]:
        return [head.end for head in await lister.list_heads(ALICE, page, OF_ALICE)]

    for end in range(1, 6):
        await asyncio.gather(*(store.append(ALICE, s.id, [message("a")]) for s in sessions))
        assert await ends(store) == [end] * 10
    await asyncio.gather(*(store.append(ALICE, s.id, [message("b")]) for s in sessions))
    async with asyncio.timeout(5):
        while await ends(other_store) != [6] * 10:
            pass
