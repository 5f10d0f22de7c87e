"""The contract of the UserStore: one profile per user, seen only by those in reach of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from typing import Any
from uuid import uuid4

import pytest

from config.settings import Settings
from service.domain.access import EVERYBODY, Reach
from service.domain.errors import StoreUnavailable, UserNotFound
from service.domain.models import User, utc_now
from service.storage import driver
from service.storage.driver import Database
from service.storage.users import USERS, MongoUserStore
from tests.contract.building import ALICE, BOB
from tests.contract.odd_json import ODD_JSON
from tests.memory import MemoryUserStore

NOWHERE = "mongodb://127.0.0.1:1/?directConnection=true"


@pytest.fixture
async def users(database: Database | None) -> AsyncIterator[MongoUserStore | MemoryUserStore]:
    if database is None:
        yield MemoryUserStore()
        return
    yield MongoUserStore(database)
    await database[USERS].delete_many({})


async def test_a_new_profile_comes_back_as_it_was_created(users: MongoUserStore) -> None:
    made = User(id="alice", metadata={"name": "Alice"})

    created = await users.get_or_create(made)

    assert made == created
    assert made == await users.get(ALICE, "alice")


async def test_a_profile_needs_no_metadata(users: MongoUserStore) -> None:
    await users.get_or_create(User(id="alice"))

    assert (await users.get(ALICE, "alice")).metadata is None


async def test_times_are_in_utc(users: MongoUserStore) -> None:
    await users.get_or_create(User(id="alice"))

    found = await users.get(ALICE, "alice")

    assert (found.created_at.tzinfo, found.updated_at.tzinfo) == (UTC, UTC)


@pytest.mark.parametrize("metadata", ODD_JSON.values(), ids=ODD_JSON)
async def test_metadata_comes_back_exactly_as_it_was_sent(
    users: MongoUserStore, metadata: dict[str, Any]
) -> None:
    await users.get_or_create(User(id="alice", metadata=metadata))

    found = (await users.get(ALICE, "alice")).metadata

    assert repr(metadata) == repr(found)


async def test_an_existing_profile_stays_as_it_is(users: MongoUserStore) -> None:
    first = await users.get_or_create(User(id="alice", metadata={"n": 1}))

    second = await users.get_or_create(User(id="alice", metadata={"n": 2}))

    assert first == second


async def test_callers_that_race_to_create_a_profile_get_the_same_one(
    users: MongoUserStore,
) -> None:
    made = await asyncio.gather(
        *(users.get_or_create(User(id="alice", metadata={"n": n})) for n in range(10))
    )

    assert [made[0]] * 10 == made
    assert await users.count(EVERYBODY) == 1


async def test_new_metadata_replaces_the_old_and_is_an_update(users: MongoUserStore) -> None:
    yesterday = utc_now() - timedelta(days=1)
    old = User(id="alice", metadata={"a": 1, "b": 2}, created_at=yesterday, updated_at=yesterday)
    await users.get_or_create(old)

    changed = await users.set_metadata(ALICE, "alice", {"a": 3})

    assert changed.metadata == {"a": 3}
    assert yesterday == changed.created_at
    assert yesterday < changed.updated_at
    assert changed == await users.get(ALICE, "alice")


async def test_a_deleted_profile_is_gone_and_can_be_created_again(users: MongoUserStore) -> None:
    await users.get_or_create(User(id="alice", metadata={"n": 1}))

    await users.delete(ALICE, "alice")

    with pytest.raises(UserNotFound):
        await users.get(ALICE, "alice")
    assert (await users.get_or_create(User(id="alice"))).metadata is None


async def test_deleting_a_missing_profile_does_nothing(users: MongoUserStore) -> None:
    await users.get_or_create(User(id="bob"))

    await users.delete(ALICE, "alice")

    assert await users.count(EVERYBODY) == 1


async def test_profiles_are_listed_by_id_page_by_page(users: MongoUserStore) -> None:
    for user_id in ("c", "a", "d", "b"):
        await users.get_or_create(User(id=user_id))

    pages = [await users.select(EVERYBODY, limit=3, skip=skip) for skip in (0, 3, 6)]

    assert ["".join(user.id for user in page) for page in pages] == ["abc", "d", ""]
    assert await users.count(EVERYBODY) == 4


@pytest.mark.parametrize("batch", [1, 2, 4, 500])
async def test_a_scan_shows_each_profile_in_reach_once_in_id_order(
    users: MongoUserStore, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr("service.storage.scanning.SCAN_BATCH", batch)
    made = [await users.get_or_create(User(id=user_id)) for user_id in ("c", "a", "d", "b")]

    everybody = [user async for user in users.scan(EVERYBODY)]
    one = [user async for user in users.scan(Reach(user_id="c"))]

    assert everybody == sorted(made, key=lambda user: user.id)
    assert one == made[:1]


@pytest.mark.parametrize(
    "reach",
    [BOB, Reach(user_id=""), Reach(user_id="bob", agent_ids=frozenset({"alice"}))],
    ids=["another user", "nobody", "agent"],
)
async def test_a_profile_out_of_reach_does_not_exist(users: MongoUserStore, reach: Reach) -> None:
    made = await users.get_or_create(User(id="alice", metadata={"n": 1}))

    with pytest.raises(UserNotFound):
        await users.get(reach, "alice")
    with pytest.raises(UserNotFound):
        await users.set_metadata(reach, "alice", {})
    await users.delete(reach, "alice")

    assert await users.select(reach, limit=10, skip=0) == []
    assert [user async for user in users.scan(reach)] == []
    assert await users.count(reach) == 0
    assert made == await users.get(ALICE, "alice")


async def test_an_unlimited_reach_includes_every_profile(users: MongoUserStore) -> None:
    await users.get_or_create(User(id="alice"))

    await users.set_metadata(EVERYBODY, "alice", {"n": 1})
    found = await users.get(EVERYBODY, "alice")
    await users.delete(EVERYBODY, "alice")

    assert found.metadata == {"n": 1}
    assert await users.count(EVERYBODY) == 0


async def test_an_unreachable_store_says_so_in_time() -> None:
    settings = Settings(_env_file=None, mongo_timeout_s=0.2)
    client = driver.connect(settings, NOWHERE)
    users = MongoUserStore(client[uuid4().hex])

    async with asyncio.timeout(2):
        with pytest.raises(StoreUnavailable):
            await users.get_or_create(User(id="alice"))
        with pytest.raises(StoreUnavailable):
            await users.delete(ALICE, "alice")

    await driver.close(client)
