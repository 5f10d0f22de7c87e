"""Bulk deletes of sessions, and lists of more keys than one response shows."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from service.app import SessionService
from service.databases import database_name
from service.domain.keys import MAX_DELETED_AT_ONCE, MAX_LISTED_KEYS
from service.domain.models import Session, utc_now
from service.storage import documents
from service.storage.driver import Database
from service.storage.indexes import SESSIONS as HEADS
from tests.api.asking import Api
from tests.api.keyed_asking import SESSIONS, listed
from tests.databases import connected

DAY_S = 24 * 60 * 60


@pytest.fixture(scope="module")
async def database(app: SessionService, mongo_url: str) -> AsyncIterator[Database]:
    async with connected("pymongo", mongo_url) as client:
        yield client[database_name(app.settings)]


async def store(database: Database, api: Api, *keys: str | None, age_s: int = 0) -> list[str]:
    """Store sessions of this age, and return their keys."""
    created_at = utc_now() - timedelta(seconds=age_s)
    sessions = [
        Session(agent_id="a", user_id=api.user_id, key=key, created_at=created_at) for key in keys
    ]
    await database[HEADS].insert_many([documents.to_head(session) for session in sessions])
    return [session.key or f"id:{session.id}" for session in sessions]


async def test_a_prefix_deletes_the_sessions_whose_keys_begin_with_it(
    database: Database, alice: Api
) -> None:
    await store(database, alice, "a:1", "a:2", "a", "b:1", "a_1", None)

    answer = await alice.ask("DELETE", f"{SESSIONS}?prefix=a:")

    assert answer.status_code == 200
    assert answer.json() == {"deleted": 2, "keys": ["a:1", "a:2"]}
    assert [key for key in await listed(alice) if key[:3] != "id:"] == ["a", "a_1", "b:1"]


async def test_an_age_deletes_the_sessions_older_than_it(database: Database, alice: Api) -> None:
    await store(database, alice, "new")
    await store(database, alice, "young", age_s=DAY_S - 60)
    [unnamed, old] = await store(database, alice, None, "old", age_s=DAY_S + 1)

    answer = await alice.ask("DELETE", f"{SESSIONS}?older_than_s={DAY_S}")

    assert answer.json() == {"deleted": 2, "keys": [unnamed, old]}
    assert await listed(alice) == ["new", "young"]


async def test_a_prefix_and_an_age_delete_the_sessions_that_match_both(
    database: Database, alice: Api
) -> None:
    await store(database, alice, "a:new", "b:new")
    await store(database, alice, "a:old", "b:old", age_s=DAY_S)

    answer = await alice.ask("DELETE", f"{SESSIONS}?prefix=a:&older_than_s=3600")

    assert answer.json() == {"deleted": 1, "keys": ["a:old"]}
    assert await listed(alice) == ["a:new", "b:new", "b:old"]


@pytest.mark.parametrize("prefix", ["id:", "i"])
async def test_a_prefix_reaches_sessions_without_a_key_by_their_ids(
    database: Database, alice: Api, prefix: str
) -> None:
    unnamed = await store(database, alice, None, None)
    await store(database, alice, "kept")

    answer = await alice.ask("DELETE", SESSIONS, params={"prefix": prefix})

    assert answer.json() == {"deleted": 2, "keys": sorted(unnamed)}
    assert await listed(alice) == ["kept"]


async def test_when_nothing_matches_nothing_is_deleted(database: Database, alice: Api) -> None:
    await store(database, alice, "kept")

    answer = await alice.ask("DELETE", f"{SESSIONS}?prefix=K&older_than_s=1")

    assert answer.status_code == 200
    assert answer.json() == {"deleted": 0, "keys": []}
    assert await listed(alice) == ["kept"]


@pytest.mark.parametrize("path", [SESSIONS, f"{SESSIONS}?", f"{SESSIONS}?surprise=1"])
async def test_without_a_filter_nothing_is_deleted(
    database: Database, alice: Api, path: str
) -> None:
    await store(database, alice, "kept")

    answer = await alice.ask("DELETE", path)

    problem = "give prefix, older_than_s or both."
    assert answer.status_code == 422
    assert answer.json() == {
        "detail": "Validation error",
        "errors": [{"field": "prefix", "message": problem, "type": "invalid_input"}],
    }
    assert await listed(alice) == ["kept"]


async def test_the_messages_of_the_deleted_sessions_are_gone(alice: Api) -> None:
    session_id = await alice.create(key="a:1")
    await alice.say(session_id, "Hello")

    await alice.ask("DELETE", f"{SESSIONS}?prefix=a:")

    assert (await alice.get(f"/history/{session_id}")).status_code == 404


async def test_other_users_sessions_stay(database: Database, alice: Api, bob: Api) -> None:
    await store(database, alice, "a:1")
    await store(database, bob, "a:1")

    await alice.ask("DELETE", f"{SESSIONS}?prefix=a:")

    assert await listed(alice) == []
    assert await listed(bob) == ["a:1"]


async def test_one_request_deletes_a_limited_number_and_the_next_one_continues(
    database: Database, alice: Api
) -> None:
    keys = [f"k{number:05}" for number in range(MAX_DELETED_AT_ONCE + 1)]
    await store(database, alice, *keys)

    first = (await alice.ask("DELETE", f"{SESSIONS}?prefix=k")).json()
    second = (await alice.ask("DELETE", f"{SESSIONS}?prefix=k")).json()

    assert first == {"deleted": MAX_DELETED_AT_ONCE, "keys": keys[:-1]}
    assert second == {"deleted": 1, "keys": keys[-1:]}


@pytest.mark.parametrize("more", [0, 1])
async def test_a_list_shows_a_limited_number_of_keys_and_the_total_count(
    database: Database, alice: Api, more: int
) -> None:
    keys = [uuid4().hex for _ in range(MAX_LISTED_KEYS + more)]
    await store(database, alice, *keys)

    answer = (await alice.get(SESSIONS)).json()

    assert answer["sessions"] == sorted(keys)[:MAX_LISTED_KEYS]
    assert answer["count"] == MAX_LISTED_KEYS + more
