"""Updates: what may change of a head, and clears, which move the start of the log."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from service.domain.errors import SessionNotFound
from service.domain.models import ContextOverflow, Session, utc_now
from service.domain.sessions import emptied
from service.storage.driver import Database
from service.storage.entries import PURGE_BATCH
from service.storage.mongo import MongoSessionStore
from tests.contract.building import (
    ALICE,
    Interruption,
    keyed,
    leave_entries,
    log_interrupted_before_insert,
    log_interrupted_before_move,
    log_of,
    messages,
    open_session,
    seqs_of,
    stored_seqs,
    texts_of,
)

SOON = utc_now() + timedelta(hours=1)

SETTINGS: dict[str, Any] = {
    "title": "t",
    "metadata": {"a": 1},
    "max_context_results": 9,
    "situation": "s",
    "render_templates": True,
    "token_budget": 10,
    "context_overflow": ContextOverflow.TRUNCATE,
    "tools": [{"type": "function"}],
    "summary": "m",
    "summary_end": 2,
}
DEFAULTS: dict[str, Any] = {field: Session.model_fields[field].default for field in SETTINGS}


class Setting:
    """A change that gives a head these values, and counts how often it was called."""

    def __init__(self, **values: Any) -> None:
        self.values = values
        self.calls = 0

    def __call__(self, session: Session) -> Session:
        self.calls += 1
        return session.model_copy(update=self.values)


@pytest.mark.parametrize(
    ("before", "after"), [(DEFAULTS, SETTINGS), (SETTINGS, DEFAULTS)], ids=["set", "unset"]
)
async def test_every_setting_can_be_changed(
    store: MongoSessionStore, before: dict[str, Any], after: dict[str, Any]
) -> None:
    session = await open_session(store, **before)

    changed = await store.update(ALICE, session.id, Setting(**after))

    assert session.model_copy(update=after) == changed
    assert changed == await store.get(ALICE, session.id)


async def test_an_update_leaves_the_rest_of_the_head_and_the_log_alone(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store, "ab", key="k", title="before", metadata={"a": 1})
    before = await store.get(ALICE, session.id)

    changed = await store.update(ALICE, session.id, Setting(title="after"))

    assert before.model_copy(update={"title": "after"}) == changed
    assert texts_of(await log_of(store, session)) == "ab"


async def test_an_update_can_count_as_activity(store: MongoSessionStore) -> None:
    session = await open_session(store)
    later = session.last_active + timedelta(minutes=1)

    changed = await store.update(ALICE, session.id, Setting(last_active=later))

    assert later == changed.last_active


async def test_an_update_never_takes_activity_back(store: MongoSessionStore) -> None:
    session = await open_session(store)
    earlier = session.last_active - timedelta(minutes=1)

    changed = await store.update(ALICE, session.id, Setting(last_active=earlier))

    assert session.last_active == changed.last_active


async def test_an_update_does_not_change_what_is_fixed(store: MongoSessionStore) -> None:
    session = await open_session(store, "ab", key="k")
    before = await store.get(ALICE, session.id)
    fixed = {"user_id": "bob", "agent_id": "x", "key": "l", "end": 9, "created_at": SOON}

    changed = await store.update(ALICE, session.id, Setting(**fixed))

    assert before == changed
    assert before == await store.get(ALICE, session.id)


async def test_updates_at_once_are_made_one_after_the_other(store: MongoSessionStore) -> None:
    session = await open_session(store, metadata={"count": 0})

    def counted(head: Session) -> Session:
        metadata = head.metadata or {}
        return head.model_copy(update={"metadata": {"count": metadata["count"] + 1}})

    await asyncio.gather(*(store.update(ALICE, session.id, counted) for _ in range(10)))

    assert (await store.get(ALICE, session.id)).metadata == {"count": 10}


async def test_updating_an_unknown_session_is_not_found(store: MongoSessionStore) -> None:
    change = Setting(title="t")

    with pytest.raises(SessionNotFound):
        await store.update(ALICE, uuid4(), change)

    assert change.calls == 0


async def test_a_change_that_fails_changes_nothing(store: MongoSessionStore) -> None:
    session = await open_session(store)

    def failing(_: Session) -> Session:
        raise ValueError("not like this")

    with pytest.raises(ValueError, match="not like this"):
        await store.update(ALICE, session.id, failing)

    assert session == await store.get(ALICE, session.id)


async def test_a_cleared_log_is_empty_and_so_is_its_head(store: MongoSessionStore) -> None:
    session = await open_session(store, "abc", title="kept")

    cleared = await store.update(ALICE, session.id, emptied)

    assert (cleared.message_count, cleared.start, cleared.end) == (0, 4, 3)
    assert (cleared.preview, cleared.title) == (None, "kept")
    assert await log_of(store, session) == []


async def test_of_a_cleared_log_the_last_message_is_left_to_the_sweep(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "abc")

    await store.update(ALICE, session.id, emptied)

    assert await stored_seqs(database, session.id) == [3]
    await store.sweep(begun_before=SOON)
    assert await stored_seqs(database, session.id) == []


async def test_numbers_are_not_used_again_after_a_clear(store: MongoSessionStore) -> None:
    session = await open_session(store, "abc")
    await store.update(ALICE, session.id, emptied)

    appended = await store.append(ALICE, session.id, messages("de"))

    assert seqs_of(appended) == [4, 5]
    assert texts_of(await log_of(store, session)) == "de"
    assert (await store.get(ALICE, session.id)).message_count == 2


async def test_a_clear_can_leave_the_newest_messages(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "abcd")

    changed = await store.update(ALICE, session.id, Setting(start=3))

    assert changed.message_count == 2
    assert texts_of(await log_of(store, session)) == "cd"
    assert await stored_seqs(database, session.id) == [3, 4]


async def test_the_start_of_a_log_never_moves_back(store: MongoSessionStore) -> None:
    session = await open_session(store, "abcd")
    await store.update(ALICE, session.id, Setting(start=3))

    changed = await store.update(ALICE, session.id, Setting(start=1))

    assert changed.start == 3
    assert texts_of(await log_of(store, session)) == "cd"


async def test_clearing_twice_is_like_clearing_once(store: MongoSessionStore) -> None:
    session = await open_session(store, "abc")
    once = await store.update(ALICE, session.id, emptied)

    twice = await store.update(ALICE, session.id, emptied)

    assert once == twice


async def test_a_key_of_a_cleared_message_can_be_used_again(store: MongoSessionStore) -> None:
    session = await open_session(store)
    await store.append(ALICE, session.id, keyed("ab"))
    await store.update(ALICE, session.id, emptied)

    appended = await store.append(ALICE, session.id, keyed("a"))

    assert seqs_of(appended) == [3]
    assert texts_of(await log_of(store, session)) == "a"


async def test_a_key_can_be_used_again_before_the_sweep_removed_its_cleared_message(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "a")
    await store.append(ALICE, session.id, keyed("b"))
    await store.update(ALICE, session.id, emptied)
    assert await stored_seqs(database, session.id) == [2]

    appended = await store.append(ALICE, session.id, keyed("bc"))

    assert seqs_of(appended) == [3, 4]
    assert texts_of(await log_of(store, session)) == "bc"
    assert await stored_seqs(database, session.id) == [3, 4]


async def test_a_sweep_removes_what_an_interrupted_clear_left_and_nothing_else(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "abcd")
    await store.update(ALICE, session.id, Setting(start=3))
    await leave_entries(database, session.id, messages("ab"), first_seq=1)

    swept = [await store.sweep(begun_before=SOON) for _ in range(2)]

    assert swept == [1, 0]
    assert await stored_seqs(database, session.id) == [3, 4]
    assert texts_of(await log_of(store, session)) == "cd"


async def test_a_sweep_finishes_clears_of_logs_that_are_too_long_for_one_go(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, end=2 * PURGE_BATCH + 2)
    for first_seq in (1, PURGE_BATCH + 1, 2 * PURGE_BATCH + 1):
        await leave_entries(database, session.id, messages("ab"), first_seq=first_seq)
    await store.update(ALICE, session.id, Setting(start=2 * PURGE_BATCH + 1))

    await store.sweep(begun_before=SOON)

    assert await stored_seqs(database, session.id) == [2 * PURGE_BATCH + 1, 2 * PURGE_BATCH + 2]


async def test_a_clear_keeps_what_a_writer_is_about_to_acknowledge(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "ab")
    writing = log_interrupted_before_move(database, clearing(store, session))

    appended = await writing.append(ALICE, session.id, messages("cd"))

    assert seqs_of(appended) == [3, 4]
    assert texts_of(await log_of(store, session)) == "cd"


@pytest.mark.parametrize("texts", ["x", "xy", "uvwxyz"])
@pytest.mark.parametrize("after", ["c", "cd", "cdefgh"])
async def test_a_writer_whose_head_is_older_than_a_clear_goes_on_behind_it_in_order(
    store: MongoSessionStore, database: Database, texts: str, after: str
) -> None:
    session = await open_session(store, "ab")
    stale = log_interrupted_before_insert(database, clearing(store, session, after=after))

    appended = await stale.append(ALICE, session.id, messages(texts))

    first = 3 + len(after)
    assert seqs_of(appended) == list(range(first, first + len(texts)))
    assert texts_of(await log_of(store, session)) == texts


@pytest.mark.parametrize("texts", ["x", "xyz"])
async def test_a_writer_whose_head_is_older_than_a_clear_goes_on_behind_later_messages(
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
async def test_a_writer_whose_head_is_older_than_a_trim_goes_on_behind_what_was_kept(
    store: MongoSessionStore, database: Database, kept: int
) -> None:
    session = await open_session(store, "ab")

    async def append_and_trim() -> None:
        await store.append(ALICE, session.id, messages("cdef"))
        await store.update(ALICE, session.id, Setting(start=7 - kept))

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
