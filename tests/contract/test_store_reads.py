"""Reads: windows on a log from both ends, at every edge."""

from itertools import product
from uuid import uuid4

import pytest

from service.domain.access import EVERYBODY
from service.domain.errors import SessionNotFound, StoreUnavailable
from service.domain.models import Session
from service.domain.window import Window
from service.storage.driver import Database
from service.storage.entries import Entries
from service.storage.indexes import HISTORY
from service.storage.mongo import MongoSessionStore
from service.storage.reads import Reads
from tests.contract.building import (
    ALICE,
    EVERYTHING,
    leave_entries,
    log_of,
    messages,
    open_session,
    seqs_of,
    texts_of,
)


def started_at_3(session: Session) -> Session:
    return session.model_copy(update={"start": 3})


def page_of(log: str, window: Window) -> str:
    """Return what the window shows of a log: the rule, written down a second time."""
    if not window.newest:
        return log[window.skip :][: window.limit]
    kept = log[: max(0, len(log) - window.skip)]
    return kept[-window.limit :]


@pytest.mark.parametrize("newest", [False, True], ids=["oldest", "newest"])
async def test_every_window_on_a_log_shows_its_page_oldest_first(
    store: MongoSessionStore, *, newest: bool
) -> None:
    session = await open_session(store, "abcde")

    for limit, skip in product(range(1, 7), range(7)):
        window = Window(limit=limit, skip=skip, newest=newest)
        _, found = await store.read(ALICE, session.id, window)

        assert page_of("abcde", window) == texts_of(found), window


@pytest.mark.parametrize("newest", [False, True], ids=["oldest", "newest"])
async def test_skip_counts_from_the_start_of_a_log_whose_beginning_is_gone(
    store: MongoSessionStore, *, newest: bool
) -> None:
    session = await open_session(store, "abcdefg")
    await store.update(ALICE, session.id, started_at_3)

    for limit, skip in product(range(1, 7), range(7)):
        window = Window(limit=limit, skip=skip, newest=newest)
        _, found = await store.read(ALICE, session.id, window)

        assert page_of("cdefg", window) == texts_of(found), window


@pytest.mark.parametrize("newest", [False, True], ids=["oldest", "newest"])
async def test_a_skip_far_past_the_end_of_the_log_shows_nothing(
    store: MongoSessionStore, *, newest: bool
) -> None:
    session = await open_session(store, "abc")

    _, found = await store.read(ALICE, session.id, Window(limit=9, skip=2**31 - 1, newest=newest))

    assert found == []


@pytest.mark.parametrize("newest", [False, True], ids=["oldest", "newest"])
async def test_an_empty_log_shows_nothing(store: MongoSessionStore, *, newest: bool) -> None:
    session = await open_session(store)

    assert (session, []) == await store.read(ALICE, session.id, Window(limit=9, newest=newest))


async def test_a_read_comes_with_the_head_it_belongs_to(store: MongoSessionStore) -> None:
    session = await open_session(store, "abc")

    head, found = await store.read(ALICE, session.id, EVERYTHING)

    assert await store.get(ALICE, session.id) == head
    assert (head.start, head.end) == (found[0].seq, found[-1].seq)


async def test_a_log_shows_no_messages_of_other_logs(store: MongoSessionStore) -> None:
    sessions = {text: await open_session(store, text * 3) for text in "abc"}

    for text, session in sessions.items():
        assert text * 3 == texts_of(await log_of(store, session))


async def test_reading_an_unknown_session_reports_not_found(store: MongoSessionStore) -> None:
    await open_session(store, "abc")

    with pytest.raises(SessionNotFound):
        await store.read(ALICE, uuid4(), EVERYTHING)


async def test_messages_the_stored_head_does_not_count_yet_are_shown(
    store: MongoSessionStore, database: Database, other_store: MongoSessionStore
) -> None:
    session = await open_session(store, "ab")
    left = messages("cd")
    await leave_entries(database, session.id, left, first_seq=3)

    for reader in (store, other_store):
        head, log = await reader.read(ALICE, session.id, EVERYTHING)
        assert (texts_of(log), head.message_count) == ("abcd", 4)
        assert (head.preview and head.preview.text, head.last_active) == ("d", left[-1].created_at)
        _, newest = await reader.read(ALICE, session.id, Window(limit=1, newest=True))
        assert texts_of(newest) == "d"


async def test_a_range_with_a_gap_is_never_shown(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)
    log = [(await store.append(ALICE, session.id, messages(text)))[0] for text in "abc"]
    await Entries(database[HISTORY], Reads(database)).remove(session.id, log[1:2])

    with pytest.raises(StoreUnavailable):
        await store.read(ALICE, session.id, EVERYTHING)


async def test_the_newest_of_each_shows_the_end_of_every_log_oldest_first(
    store: MongoSessionStore,
) -> None:
    longer, shorter = await open_session(store, "abcd"), await open_session(store, "x")
    empty = await open_session(store)
    heads = [await store.get(ALICE, session.id) for session in (longer, shorter, empty)]

    found = await store.newest_of_each(EVERYBODY, heads, limit=2)

    shown = {session_id: texts_of(log) for session_id, log in found.items()}
    assert {longer.id: "cd", shorter.id: "x", empty.id: ""} == shown
    assert seqs_of(found[longer.id]) == [3, 4]


async def test_the_newest_of_each_starts_where_its_log_does(store: MongoSessionStore) -> None:
    session = await open_session(store, "abcd")
    head = await store.update(ALICE, session.id, started_at_3)

    found = await store.newest_of_each(EVERYBODY, [head], limit=10)

    assert texts_of(found[session.id]) == "cd"


async def test_the_newest_of_no_sessions_is_empty(store: MongoSessionStore) -> None:
    assert await store.newest_of_each(EVERYBODY, [], limit=10) == {}
