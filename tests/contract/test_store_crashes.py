"""Crashes: each point where a writer can die is set up, and the store continues from there."""

import asyncio
from datetime import timedelta

import pytest

from service.domain.errors import OutcomeUnknown, StoreUnavailable
from service.domain.models import ListPage, Selection, SortBy, utc_now
from service.domain.sessions import emptied
from service.storage import documents
from service.storage.append import notes
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from tests.contract.batching import append_each, open_sessions
from tests.contract.building import (
    ALICE,
    age_notes,
    keyed,
    leave_entries,
    log_interrupted_after_insert,
    log_interrupted_before_insert,
    log_of,
    log_that_never_moves_a_head,
    messages,
    notes_of,
    open_session,
    seqs_of,
    stored_head,
    stored_seqs,
    texts_of,
)


async def lose_the_store() -> None:
    raise StoreUnavailable


async def lose_the_answer() -> None:
    raise OutcomeUnknown


async def test_an_append_after_a_crash_before_the_head_moved_continues_after_what_it_left(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "ab")
    await leave_entries(database, session.id, messages("cd"), first_seq=3)

    appended = await store.append(ALICE, session.id, messages("e"))

    assert seqs_of(appended) == [5]
    assert texts_of(await log_of(store, session)) == "abcde"


async def test_an_append_of_many_messages_after_a_crash_stays_in_one_piece(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)
    await leave_entries(database, session.id, messages("a"), first_seq=1)

    appended = await store.append(ALICE, session.id, keyed("xyz"))

    assert seqs_of(appended) == [2, 3, 4]
    assert texts_of(await log_of(store, session)) == "axyz"


async def test_a_replay_after_such_a_crash_is_acknowledged_and_shown(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "a")
    (left,) = keyed("b")
    await leave_entries(database, session.id, [left], first_seq=2)

    appended = await store.append(ALICE, session.id, keyed("b"))

    assert [left.model_copy(update={"seq": 2})] == appended
    assert texts_of(await log_of(store, session)) == "ab"
    assert await stored_seqs(database, session.id) == [1, 2]


async def test_a_replay_of_one_message_leaves_later_ones_of_the_crash_as_they_are(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)
    await leave_entries(database, session.id, keyed("abc"), first_seq=1)

    await store.append(ALICE, session.id, keyed("a"))

    assert texts_of(await log_of(store, session)) == "abc"


async def test_a_head_that_a_dead_process_left_behind_is_moved_by_any_other(
    store: MongoSessionStore, other_store: MongoSessionStore, database: Database
) -> None:
    sessions = await open_sessions(store, 3, "ab")
    await store.close()
    dying = log_that_never_moves_a_head(database)
    await append_each(dying, sessions, messages("cd"))
    assert [(await stored_head(database, session.id))["end"] for session in sessions] == [2, 2, 2]

    assert len(await notes_of(database)) == 1
    await age_notes(database)
    await asyncio.gather(store.catch_up(), other_store.catch_up())

    page = ListPage(limit=10, sort_by=SortBy.LAST_ACTIVE)
    listed = await other_store.list_heads(ALICE, page, Selection(user_id="alice"))
    assert [(head.end, head.preview and head.preview.text) for head in listed] == [(4, "d")] * 3
    assert listed == [await other_store.get(ALICE, head.id) for head in listed]
    assert await notes_of(database) == []


async def test_notes_of_a_process_that_lives_are_left_to_it(
    store: MongoSessionStore,
    other_store: MongoSessionStore,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notes, "ORPHANED_S", 3600)
    session = await open_session(store)
    await log_that_never_moves_a_head(database).append(ALICE, session.id, messages("a"))

    await other_store.catch_up()

    assert len(await notes_of(database)) == 1


async def test_a_note_of_a_session_that_is_gone_is_paid_too(
    store: MongoSessionStore, other_store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "ab")
    await log_that_never_moves_a_head(database).append(ALICE, session.id, messages("c"))
    await store.delete(ALICE, session.id)
    await store.sweep(begun_before=utc_now() + timedelta(hours=1))
    await age_notes(database)

    await other_store.catch_up()

    assert await notes_of(database) == []
    assert await stored_head(database, session.id) is None


async def test_a_note_paid_late_does_not_undo_a_clear(
    store: MongoSessionStore, other_store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "ab")
    await log_that_never_moves_a_head(database).append(ALICE, session.id, messages("c"))
    cleared = await store.update(ALICE, session.id, emptied)
    await age_notes(database)

    await other_store.catch_up()

    assert await other_store.get(ALICE, session.id) == cleared
    assert documents.from_head(await stored_head(database, session.id)) == cleared


@pytest.mark.parametrize("texts", ["b", "bc"])
async def test_losing_the_store_when_it_answers_an_append_leaves_the_outcome_unknown(
    store: MongoSessionStore, database: Database, texts: str
) -> None:
    session = await open_session(store, "a")
    dying = log_interrupted_after_insert(database, lose_the_answer)

    with pytest.raises(OutcomeUnknown):
        await dying.append(ALICE, session.id, messages(texts))

    assert f"a{texts}" == texts_of(await log_of(store, session))
    await age_notes(database)
    await store.catch_up()
    stored = documents.from_head(await stored_head(database, session.id))
    assert stored == await store.get(ALICE, session.id)


@pytest.mark.parametrize("texts", ["b", "bc"])
async def test_what_cannot_be_stored_twice_is_tried_again_when_an_answer_is_lost(
    store: MongoSessionStore, database: Database, texts: str
) -> None:
    session = await open_session(store, "a")
    dying = log_interrupted_after_insert(database, lose_the_answer)

    appended = await dying.append(ALICE, session.id, keyed(texts))

    assert appended == (await log_of(store, session))[1:]
    await age_notes(database)
    await store.catch_up()
    stored = documents.from_head(await stored_head(database, session.id))
    assert stored == await store.get(ALICE, session.id)
    assert f"a{texts}" == texts_of(await log_of(store, session))


async def test_losing_the_store_before_the_messages_reports_that_nothing_changed(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "a")
    dying = log_interrupted_before_insert(database, lose_the_store)

    with pytest.raises(StoreUnavailable) as refusal:
        await dying.append(ALICE, session.id, messages("b"))

    assert not isinstance(refusal.value, OutcomeUnknown)
    assert await stored_seqs(database, session.id) == [1]
