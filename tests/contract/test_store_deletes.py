"""Deletes: final once acknowledged, and finished by the sweep."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from service.domain.access import EVERYBODY
from service.domain.errors import SessionNotFound
from service.domain.models import ListPage, Selection, utc_now
from service.domain.sessions import emptied
from service.storage.driver import Database
from service.storage.entries import PURGE_BATCH, Entries
from service.storage.mongo import SWEEP_BATCH, MongoSessionStore
from tests.contract.batching import names_of, open_sessions
from tests.contract.building import (
    ALICE,
    EVERYTHING,
    age_notes,
    close_log,
    keyed,
    leave_entries,
    leave_fence,
    log_interrupted_after_insert,
    log_interrupted_before_insert,
    log_of,
    mark_deleted,
    messages,
    notes_of,
    open_session,
    seqs_of,
    stored_entries,
    stored_head,
    stored_seqs,
    texts_of,
)
from tests.contract.conftest import REAL_KINDS
from tests.every import every
from tests.storage.mongo_commands import SentCommands

SOON = utc_now() + timedelta(hours=1)


async def test_every_call_on_a_deleted_session_reports_not_found(store: MongoSessionStore) -> None:
    session = await open_session(store, "ab")

    await store.delete(ALICE, session.id)

    for call in (
        lambda: store.get(ALICE, session.id),
        lambda: store.read(ALICE, session.id, EVERYTHING),
        lambda: store.append(ALICE, session.id, messages("c")),
        lambda: store.update(ALICE, session.id, lambda head: head),
        lambda: store.delete(ALICE, session.id),
    ):
        with pytest.raises(SessionNotFound):
            await call()


async def test_the_messages_of_a_deleted_session_are_left_to_the_sweep(
    store: MongoSessionStore, database: Database
) -> None:
    gone, kept = await open_session(store, "abc"), await open_session(store, "xyz")

    await store.delete(ALICE, gone.id)

    assert await stored_seqs(database, gone.id) == [1, 2, 3]
    await store.sweep(begun_before=SOON)
    assert await stored_entries(database, gone.id) == []
    assert texts_of(await log_of(store, kept)) == "xyz"


async def test_deleting_an_unknown_session_reports_not_found(store: MongoSessionStore) -> None:
    with pytest.raises(SessionNotFound):
        await store.delete(ALICE, uuid4())


async def test_only_one_of_many_concurrent_deletes_succeeds(store: MongoSessionStore) -> None:
    session = await open_session(store, "ab")

    answers = await asyncio.gather(
        *(store.delete(ALICE, session.id) for _ in range(5)), return_exceptions=True
    )

    assert answers.count(None) == 1
    assert sum(isinstance(answer, SessionNotFound) for answer in answers) == 4


async def test_the_key_of_a_deleted_session_is_free_again(store: MongoSessionStore) -> None:
    gone = await open_session(store, key="k")
    await store.delete(ALICE, gone.id)
    assert await store.find_by_key(EVERYBODY, "alice", "k") is None

    new = await open_session(store, key="k")

    assert new == await store.find_by_key(EVERYBODY, "alice", "k")


async def test_a_replay_on_a_deleted_session_reports_not_found(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)
    await store.append(ALICE, session.id, keyed("a"))
    await store.delete(ALICE, session.id)

    with pytest.raises(SessionNotFound):
        await store.append(ALICE, session.id, keyed("a"))

    assert await stored_seqs(database, session.id) == [1]


@pytest.mark.parametrize("texts", ["x", "xyz"])
async def test_no_message_gets_past_the_end_of_a_deleted_log(
    store: MongoSessionStore, database: Database, texts: str
) -> None:
    session = await open_session(store, "ab")
    late = log_interrupted_before_insert(database, lambda: store.delete(ALICE, session.id))

    with pytest.raises(SessionNotFound):
        await late.append(ALICE, session.id, messages(texts))

    assert await stored_seqs(database, session.id) == [1, 2]


async def test_a_delete_waits_for_nobody_who_appends_at_the_same_time(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "ab")
    late = log_interrupted_after_insert(database, lambda: store.delete(ALICE, session.id))

    assert seqs_of(await late.append(ALICE, session.id, messages("cd"))) == [3, 4]

    with pytest.raises(SessionNotFound):
        await store.get(ALICE, session.id)
    fence = (await stored_entries(database, session.id))[-1]
    assert fence["_id"]["n"] == 5
    await store.sweep(begun_before=SOON)
    assert await stored_entries(database, session.id) == []


async def test_a_fence_alone_deletes_its_session_and_any_process_marks_the_head(
    store: MongoSessionStore, database: Database, other_store: MongoSessionStore
) -> None:
    session = await open_session(store, "ab", key="k")
    await leave_fence(database, session, seq=3)

    for a_store in (store, other_store):
        with pytest.raises(SessionNotFound):
            await a_store.append(ALICE, session.id, messages("c"))
        assert await a_store.find_by_key(EVERYBODY, "alice", "k") is None

    await age_notes(database)
    await other_store.catch_up()
    assert await store.list_heads(ALICE, ListPage(limit=10), Selection(user_id="alice")) == []
    assert await notes_of(database) == []
    await store.sweep(begun_before=SOON)
    assert await stored_head(database, session.id) is None


async def test_a_closed_log_takes_no_appends_is_read_on_and_any_process_deletes_it(
    store: MongoSessionStore, database: Database, other_store: MongoSessionStore
) -> None:
    session = await open_session(store, "ab", key="k")
    await close_log(database, session)

    for a_store in (other_store, store):
        _, log = await a_store.read(ALICE, session.id, EVERYTHING)
        assert texts_of(log) == "ab"
        with pytest.raises(SessionNotFound):
            await a_store.append(ALICE, session.id, messages("c"))

    await age_notes(database)
    await other_store.catch_up()
    for a_store in (store, other_store):
        with pytest.raises(SessionNotFound):
            await a_store.get(ALICE, session.id)
    await store.sweep(begun_before=SOON)
    assert await stored_head(database, session.id) is None
    assert await stored_entries(database, session.id) == []


@pytest.mark.parametrize("kind", REAL_KINDS)
async def test_a_process_that_writes_to_a_log_learns_that_it_is_closed(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "a")
    await close_log(database, session)

    async def append_until_refused() -> None:
        while True:
            await store.append(ALICE, session.id, messages("b"))

    async with asyncio.timeout(5):
        with pytest.raises(SessionNotFound):
            await append_until_refused()


async def test_a_sweep_removes_the_last_trace_of_a_deleted_session(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store, "ab")
    await store.delete(ALICE, session.id)

    swept = await store.sweep(begun_before=SOON)

    assert swept == 1
    assert await stored_head(database, session.id) is None


async def test_a_sweep_removes_logs_too_long_for_one_pass(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)
    for batch in range(4):
        first_seq = 1 + batch * PURGE_BATCH
        await leave_entries(database, session.id, messages("ab"), first_seq=first_seq)
    await store.delete(ALICE, session.id)

    await store.sweep(begun_before=SOON)

    assert await stored_entries(database, session.id) == []


async def test_a_sweep_leaves_live_sessions_alone(store: MongoSessionStore) -> None:
    session = await open_session(store, "abc")

    swept = await store.sweep(begun_before=SOON)

    assert swept == 0
    assert texts_of(await log_of(store, session)) == "abc"


async def test_a_sweep_leaves_recent_deletes_to_the_next_one(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)
    before = utc_now()
    await store.delete(ALICE, session.id)

    swept = await store.sweep(begun_before=before)

    assert swept == 0
    assert await stored_head(database, session.id) is not None


async def test_a_second_sweep_finds_nothing(store: MongoSessionStore) -> None:
    session = await open_session(store)
    await store.delete(ALICE, session.id)
    await store.sweep(begun_before=SOON)

    assert await store.sweep(begun_before=SOON) == 0


async def test_concurrent_sweeps_finish_every_delete(
    store: MongoSessionStore, database: Database
) -> None:
    gone = [await open_session(store, "ab") for _ in range(10)]
    for session in gone:
        await store.delete(ALICE, session.id)

    await asyncio.gather(*(store.sweep(begun_before=SOON) for _ in range(5)))

    assert [await stored_head(database, session.id) for session in gone] == [None] * 10


async def test_a_sweep_finishes_deletes_and_clears_together(
    store: MongoSessionStore, database: Database
) -> None:
    empty, deleted, cleared = [await open_session(store, texts) for texts in ("", "abc", "ab")]
    for session in (empty, deleted):
        await store.delete(ALICE, session.id)
    await store.update(ALICE, cleared.id, emptied)
    await store.append(ALICE, cleared.id, messages("c"))

    assert await store.sweep(begun_before=SOON) == 3

    sessions = (empty, deleted, cleared)
    assert [await stored_seqs(database, session.id) for session in sessions] == [[], [], [3]]
    heads = [await stored_head(database, session.id) for session in sessions]
    assert heads[:2] == [None, None]
    assert "sweep_from" not in heads[2]


async def test_sessions_cleared_or_deleted_during_a_sweep_are_left_to_a_later_one(
    store: MongoSessionStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleared, deleted = [await open_session(store, "abcd") for _ in range(2)]
    for session in (cleared, deleted):
        await store.update(ALICE, session.id, lambda head: head.model_copy(update={"start": 3}))
    purges = Entries.purge_some

    async def purge_slowly(entries: Entries, starts: Mapping[UUID, int]) -> bool:
        monkeypatch.undo()
        is_purged = await purges(entries, starts)
        await store.update(ALICE, cleared.id, lambda head: head.model_copy(update={"start": 5}))
        await mark_deleted(database, deleted)
        return is_purged

    monkeypatch.setattr(Entries, "purge_some", purge_slowly)
    await store.sweep(begun_before=SOON)

    left = [await stored_head(database, session.id) for session in (cleared, deleted)]
    assert every("sweep_from" in head for head in left)
    await store.sweep(begun_before=SOON)
    await store.sweep(begun_before=SOON)
    for session in (cleared, deleted):
        assert await stored_seqs(database, session.id) == []


@pytest.mark.parametrize("kind", REAL_KINDS)
async def test_deletes_of_empty_sessions_share_the_calls_of_a_sweep(
    watched: tuple[MongoSessionStore, SentCommands], database: Database
) -> None:
    store, sent = watched
    for session in await open_sessions(store, 20):
        await mark_deleted(database, session)
    sent.take()

    assert await store.sweep(begun_before=SOON) == 20

    assert names_of(sent.take()) == {"find": 2, "delete": 1}


@pytest.mark.parametrize("kind", REAL_KINDS)
async def test_successive_sweeps_finish_any_number_of_deletes(store: MongoSessionStore) -> None:
    for _ in range(SWEEP_BATCH + 1):
        session = await open_session(store)
        await store.delete(ALICE, session.id)

    swept = [await store.sweep(begun_before=SOON) for _ in range(3)]

    assert swept == [SWEEP_BATCH, 1, 0]
