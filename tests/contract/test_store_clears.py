"""Clears: the log starts later, and numbers before its start are gone for good."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from service.domain.models import Session, utc_now
from service.domain.sessions import emptied
from service.storage.driver import Database
from service.storage.entries import PURGE_BATCH
from service.storage.mongo import MongoSessionStore
from tests.contract.building import (
    ALICE,
    EVERYTHING,
    Interruption,
    keyed,
    leave_entries,
    log_interrupted_after_insert,
    log_interrupted_before_insert,
    log_of,
    messages,
    open_session,
    seqs_of,
    stored_seqs,
    texts_of,
)

SOON = utc_now() + timedelta(hours=1)


def starting_at(start: int) -> Callable[[Session], Session]:
    return lambda session: session.model_copy(update={"start": start})


async def test_a_cleared_log_is_empty_and_so_is_its_head(store: MongoSessionStore) -> None:
    session = await open_session(store, "abc", title="kept")

    cleared = await store.update(ALICE, session.id, emptied)

    assert (cleared.message_count, cleared.start, cleared.end) == (0, 4, 3)
    assert (cleared.preview, cleared.title) == (None, "kept")
    assert await log_of(store, session) == []


async def test_cleared_messages_are_left_to_the_sweep(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "abc")

    await store.update(ALICE, session.id, emptied)

    assert await stored_seqs(database, session.id) == [1, 2, 3]
    await store.sweep(begun_before=SOON)
    assert await stored_seqs(database, session.id) == []


async def test_a_session_that_is_cleared_again_and_again_is_swept_all_the_same(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "ab")
    await store.update(ALICE, session.id, emptied)
    first_clear = utc_now() + timedelta(milliseconds=1)
    await asyncio.sleep(0.005)
    await store.append(ALICE, session.id, messages("cd"))
    await store.update(ALICE, session.id, emptied)

    swept = [await store.sweep(begun_before=first_clear) for _ in range(2)]

    assert swept == [1, 0]
    assert await stored_seqs(database, session.id) == [3, 4]
    assert await store.sweep(begun_before=SOON) == 1
    assert await stored_seqs(database, session.id) == []


async def test_numbers_are_not_reused_after_a_clear(store: MongoSessionStore) -> None:
    session = await open_session(store, "abc")
    await store.update(ALICE, session.id, emptied)

    appended = await store.append(ALICE, session.id, messages("de"))

    assert seqs_of(appended) == [4, 5]
    assert texts_of(await log_of(store, session)) == "de"
    assert (await store.get(ALICE, session.id)).message_count == 2


async def test_numbers_are_not_reused_after_the_sweep_removed_all_messages(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store, "abc")
    await store.update(ALICE, session.id, emptied)
    await store.sweep(begun_before=SOON)

    appended = await store.append(ALICE, session.id, keyed("de"))

    assert seqs_of(appended) == [4, 5]
    assert texts_of(await log_of(store, session)) == "de"


async def test_a_clear_can_keep_the_newest_messages(store: MongoSessionStore) -> None:
    session = await open_session(store, "abcd")

    changed = await store.update(ALICE, session.id, starting_at(3))

    assert changed.message_count == 2
    assert texts_of(await log_of(store, session)) == "cd"
    await store.sweep(begun_before=SOON)
    assert texts_of(await log_of(store, session)) == "cd"


async def test_the_start_of_a_log_never_moves_back(store: MongoSessionStore) -> None:
    session = await open_session(store, "abcd")
    await store.update(ALICE, session.id, starting_at(3))

    changed = await store.update(ALICE, session.id, starting_at(1))

    assert changed.start == 3
    assert texts_of(await log_of(store, session)) == "cd"


async def test_clearing_twice_is_like_clearing_once(store: MongoSessionStore) -> None:
    session = await open_session(store, "abc")
    once = await store.update(ALICE, session.id, emptied)

    twice = await store.update(ALICE, session.id, emptied)

    assert once == twice


async def test_the_key_of_a_cleared_message_can_be_reused(store: MongoSessionStore) -> None:
    session = await open_session(store)
    await store.append(ALICE, session.id, keyed("ab"))
    await store.update(ALICE, session.id, emptied)

    appended = await store.append(ALICE, session.id, keyed("a"))

    assert seqs_of(appended) == [3]
    assert texts_of(await log_of(store, session)) == "a"


@pytest.mark.parametrize("before", ["b", "xb", "cb"])
async def test_a_key_can_be_reused_before_the_sweep_removes_its_cleared_message(
    store: MongoSessionStore, database: Database, before: str
) -> None:
    session = await open_session(store, "a")
    await store.append(ALICE, session.id, keyed(before))
    await store.update(ALICE, session.id, emptied)

    appended = await store.append(ALICE, session.id, keyed("bc"))

    head, log = await store.read(ALICE, session.id, EVERYTHING)
    assert seqs_of(appended) == seqs_of(log) == [head.start, head.start + 1]
    assert texts_of(log) == "bc"
    assert await stored_seqs(database, session.id) == list(range(1, head.end + 1))


async def test_of_a_group_cleared_in_part_only_the_cleared_keys_can_be_reused(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store)
    kept = (await store.append(ALICE, session.id, keyed("abcd")))[2:]
    await store.update(ALICE, session.id, starting_at(3))

    appended = await store.append(ALICE, session.id, keyed("bc"))

    assert [appended[1], seqs_of(appended)] == [kept[0], [5, 3]]
    assert await store.append(ALICE, session.id, keyed("cd")) == kept
    assert texts_of(await log_of(store, session)) == "cdb"


async def test_a_sweep_removes_what_was_cleared_and_nothing_else(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "a")
    for text in "bcd":
        await store.append(ALICE, session.id, messages(text))
    await store.update(ALICE, session.id, starting_at(3))

    swept = [await store.sweep(begun_before=SOON) for _ in range(2)]

    assert swept == [1, 0]
    assert await stored_seqs(database, session.id) == [3, 4]
    assert texts_of(await log_of(store, session)) == "cd"


async def test_a_sweep_finishes_clears_of_logs_too_long_for_one_pass(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, end=2 * PURGE_BATCH + 2)
    for first_seq in (1, PURGE_BATCH + 1, 2 * PURGE_BATCH + 1):
        await leave_entries(database, session.id, messages("ab"), first_seq=first_seq)
    await store.update(ALICE, session.id, starting_at(2 * PURGE_BATCH + 1))

    await store.sweep(begun_before=SOON)

    assert await stored_seqs(database, session.id) == [2 * PURGE_BATCH + 1, 2 * PURGE_BATCH + 2]


async def test_a_clear_removes_what_is_stored_and_about_to_be_acknowledged(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "ab")
    writing = log_interrupted_after_insert(database, clearing(store, session))

    appended = await writing.append(ALICE, session.id, messages("cd"))

    head, log = await store.read(ALICE, session.id, EVERYTHING)
    assert seqs_of(appended) == [3, 4]
    assert (head.start, log) == (5, [])


async def test_a_writer_whose_keys_another_attempt_stored_and_cleared_stores_them_again(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)

    async def another_attempt_is_shown_and_cleared() -> None:
        await store.append(ALICE, session.id, keyed("x"))
        await store.update(ALICE, session.id, emptied)

    writing = log_interrupted_before_insert(database, another_attempt_is_shown_and_cleared)

    appended = await writing.append(ALICE, session.id, keyed("xy"))

    head, log = await store.read(ALICE, session.id, EVERYTHING)
    assert seqs_of(appended) == [head.start, head.start + 1]
    assert appended == log


@pytest.mark.parametrize("texts", ["x", "xy", "uvwxyz"])
@pytest.mark.parametrize("after", ["c", "cd", "cdefgh"])
async def test_a_writer_whose_head_predates_a_clear_continues_after_it_in_order(
    store: MongoSessionStore, database: Database, texts: str, after: str
) -> None:
    session = await open_session(store, "ab")
    stale = log_interrupted_before_insert(database, clearing(store, session, after=after))

    appended = await stale.append(ALICE, session.id, messages(texts))

    first = 3 + len(after)
    assert seqs_of(appended) == list(range(first, first + len(texts)))
    assert texts_of(await log_of(store, session)) == texts


@pytest.mark.parametrize("texts", ["x", "xyz"])
async def test_a_writer_whose_head_predates_a_clear_continues_after_later_messages(
    store: MongoSessionStore, database: Database, texts: str
) -> None:
    session = await open_session(store, "ab")

    async def clear_and_go_on() -> None:
        await clearing(store, session, after="cde")()
        await store.append(ALICE, session.id, messages("fg"))

    stale = log_interrupted_before_insert(database, clear_and_go_on)

    await stale.append(ALICE, session.id, keyed(texts))

    assert texts_of(await log_of(store, session)) == f"fg{texts}"


@pytest.mark.parametrize("kept", [1, 2])
async def test_a_writer_whose_head_predates_a_trim_continues_after_the_kept_messages(
    store: MongoSessionStore, database: Database, kept: int
) -> None:
    session = await open_session(store, "ab")

    async def append_and_trim() -> None:
        await store.append(ALICE, session.id, messages("cdef"))
        await store.update(ALICE, session.id, starting_at(7 - kept))

    stale = log_interrupted_before_insert(database, append_and_trim)

    await stale.append(ALICE, session.id, messages("xyz"))

    assert texts_of(await log_of(store, session)) == "ef"[-kept:] + "xyz"


def clearing(store: MongoSessionStore, session: Session, *, after: str = "") -> Interruption:
    """Return what another process does: append these messages, then clear the log."""

    async def append_and_clear() -> None:
        if after:
            await store.append(ALICE, session.id, messages(after))
        await store.update(ALICE, session.id, emptied)

    return append_and_clear
