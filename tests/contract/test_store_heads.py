"""Heads: what `create`, `get`, `exists` and `find_by_key` promise."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from service.domain.access import EVERYBODY
from service.domain.errors import (
    SessionIdTaken,
    SessionKeyTaken,
    SessionNotFound,
    StoreUnavailable,
)
from service.domain.models import ContextOverflow, Session, utc_now
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from tests.contract.building import (
    ALICE,
    DEADLINE_S,
    message,
    new_session,
    open_session,
    stored_head,
    stored_seqs,
)
from tests.contract.odd_json import ODD_JSON

FULL: dict[str, Any] = {
    "key": "k:1",
    "title": "Pläne für morgen 🙂",
    "metadata": {"project": "x"},
    "max_context_results": 7,
    "situation": "A kitchen.",
    "render_templates": True,
    "token_budget": 1000,
    "context_overflow": ContextOverflow.ADAPTIVE,
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "is_test": True,
    "summary": "They met.",
    "summary_end": 3,
}


async def test_a_session_comes_back_as_it_was_created(store: MongoSessionStore) -> None:
    session = await open_session(store, **FULL)

    assert await store.get(ALICE, session.id) == session


async def test_a_session_with_only_an_agent_comes_back_as_it_was_created(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store)

    assert await store.get(ALICE, session.id) == session


def test_every_field_of_a_session_is_in_the_full_example() -> None:
    kept_elsewhere = {"agent_id", "user_id", "id", "created_at", "last_active"}
    made_by_the_log = {"start", "end", "preview"}

    assert Session.model_fields.keys() - kept_elsewhere - made_by_the_log == FULL.keys()


async def test_the_times_of_a_session_are_in_utc_and_the_same_after_a_round_trip(
    store: MongoSessionStore,
) -> None:
    time = utc_now().replace(microsecond=999_000)
    session = await open_session(store, created_at=time, last_active=time)

    found = await store.get(ALICE, session.id)

    assert (time, time) == (found.created_at, found.last_active)
    assert found.created_at.tzinfo is UTC


async def test_times_are_kept_to_the_millisecond_at_both_ends_of_the_calendar(
    store: MongoSessionStore,
) -> None:
    first = datetime(1, 1, 1, microsecond=1000, tzinfo=UTC)
    last = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    session = await open_session(store, created_at=first, last_active=last)

    found = await store.get(ALICE, session.id)

    assert (first, last) == (found.created_at, found.last_active)


@pytest.mark.parametrize("metadata", ODD_JSON.values(), ids=ODD_JSON)
async def test_metadata_of_a_session_comes_back_exactly(
    store: MongoSessionStore, metadata: dict[str, Any]
) -> None:
    session = await open_session(store, metadata=metadata)

    found = await store.get(ALICE, session.id)

    assert json.dumps(metadata) == json.dumps(found.metadata)


async def test_a_key_identifies_one_session_of_its_owner(store: MongoSessionStore) -> None:
    first = await open_session(store, key="k")

    with pytest.raises(SessionKeyTaken):
        await store.create(new_session(key="k"))

    assert await store.find_by_key(EVERYBODY, "alice", "k") == first


async def test_only_one_of_many_concurrent_creates_gets_the_same_key(
    store: MongoSessionStore,
) -> None:
    sessions = [new_session(key="k") for _ in range(10)]

    answers = await asyncio.gather(
        *(store.create(session) for session in sessions), return_exceptions=True
    )

    created = [s for s, answer in zip(sessions, answers, strict=True) if answer is None]
    refused = [answer for answer in answers if isinstance(answer, SessionKeyTaken)]
    assert (len(created), len(refused)) == (1, 9)
    assert await store.find_by_key(EVERYBODY, "alice", "k") == created[0]


async def test_two_owners_may_use_the_same_key(store: MongoSessionStore) -> None:
    of_alice = await open_session(store, key="k")
    of_bob = await open_session(store, key="k", user_id="bob")

    assert await store.find_by_key(EVERYBODY, "alice", "k") == of_alice
    assert await store.find_by_key(EVERYBODY, "bob", "k") == of_bob


async def test_sessions_without_a_key_do_not_clash(store: MongoSessionStore) -> None:
    first, second = await open_session(store), await open_session(store)

    assert await store.get(ALICE, first.id) == first
    assert await store.get(ALICE, second.id) == second


async def test_an_id_identifies_one_session_across_all_owners(store: MongoSessionStore) -> None:
    session = await open_session(store, title="first")

    with pytest.raises(SessionIdTaken):
        await store.create(new_session(id=session.id, user_id="bob"))

    assert await store.get(ALICE, session.id) == session


async def test_an_unknown_session_is_not_found(store: MongoSessionStore) -> None:
    with pytest.raises(SessionNotFound):
        await store.get(ALICE, uuid4())


async def test_exists_says_whether_any_user_has_the_session(store: MongoSessionStore) -> None:
    session = await open_session(store, user_id="bob")

    assert await store.exists(EVERYBODY, session.id) is True
    assert await store.exists(EVERYBODY, uuid4()) is False


async def test_a_deleted_session_does_not_exist(store: MongoSessionStore) -> None:
    session = await open_session(store)
    await store.delete(ALICE, session.id)

    assert await store.exists(EVERYBODY, session.id) is False


async def test_an_unused_key_finds_nothing(store: MongoSessionStore) -> None:
    await open_session(store, key="k", user_id="bob")

    assert await store.find_by_key(EVERYBODY, "alice", "k") is None
    assert await store.find_by_key(EVERYBODY, "bob", "K") is None


async def test_an_unprepared_store_stores_nothing(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)
    unprepared = MongoSessionStore(database, append_deadline_s=DEADLINE_S)
    new = new_session()

    with pytest.raises(StoreUnavailable):
        await unprepared.create(new)
    with pytest.raises(StoreUnavailable):
        await unprepared.append(ALICE, session.id, [message()])

    assert await stored_head(database, new.id) is None
    assert await stored_seqs(database, session.id) == []
