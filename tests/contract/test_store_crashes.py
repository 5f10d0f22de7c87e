"""Crashes: each point where a writer can die is set up, and the store continues from there."""

import pytest

from service.domain.errors import OutcomeUnknown, StoreUnavailable
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from tests.contract.building import (
    ALICE,
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


async def lose_the_store() -> None:
    raise StoreUnavailable


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


async def test_the_head_counts_what_a_crash_left_once_reads_show_it(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "a")
    await leave_entries(database, session.id, messages("b"), first_seq=2)
    assert (await store.get(ALICE, session.id)).message_count == 1

    await store.append(ALICE, session.id, messages("c"))

    assert (await store.get(ALICE, session.id)).message_count == 3


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


async def test_a_replay_shows_its_message_even_if_the_crash_left_later_ones(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)
    await leave_entries(database, session.id, keyed("abc"), first_seq=1)

    await store.append(ALICE, session.id, keyed("a"))

    assert texts_of(await log_of(store, session)) == "a"
    await store.append(ALICE, session.id, messages("d"))
    assert texts_of(await log_of(store, session)) == "abcd"


@pytest.mark.parametrize("texts", ["b", "bc"])
async def test_losing_the_store_between_messages_and_head_leaves_the_outcome_unknown(
    store: MongoSessionStore, database: Database, texts: str
) -> None:
    session = await open_session(store, "a")
    dying = log_interrupted_after_insert(database, lose_the_store)

    with pytest.raises(OutcomeUnknown):
        await dying.append(ALICE, session.id, keyed(texts))

    await store.append(ALICE, session.id, keyed(texts))
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
