"""The indexes: created once by any process, and each has a reason."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from service.domain.errors import StoreUnavailable
from service.domain.models import SortBy
from service.storage import documents
from service.storage.driver import Database
from service.storage.indexes import (
    HISTORY,
    INDEXES,
    SESSIONS,
    ensure_indexes,
    list_index,
    missing_indexes,
)
from tests.contract.building import message, new_session
from tests.databases import connected, fresh_database


@pytest.fixture(params=["motor", "pymongo"])
async def database(request: pytest.FixtureRequest, mongo_url: str) -> AsyncIterator[Database]:
    async with connected(request.param, mongo_url) as client, fresh_database(client) as database:
        yield database


async def test_an_empty_database_lacks_all_indexes(database: Database) -> None:
    assert await missing_indexes(database) == INDEXES


async def test_a_prepared_database_lacks_none(database: Database) -> None:
    await ensure_indexes(database)

    assert await missing_indexes(database) == []


async def test_missing_indexes_are_created_alongside_existing_ones(database: Database) -> None:
    first = INDEXES[0]
    await database[first.collection].create_index(list(first.keys), name=first.name)
    assert await missing_indexes(database) == INDEXES[1:]

    await ensure_indexes(database)

    assert await missing_indexes(database) == []


async def test_creating_the_indexes_twice_or_concurrently_creates_them_once(
    database: Database,
) -> None:
    await ensure_indexes(database)
    before = await database[SESSIONS].index_information()

    await asyncio.gather(*(ensure_indexes(database) for _ in range(5)))

    assert await database[SESSIONS].index_information() == before


async def test_the_indexes_can_be_created_again_when_there_is_data(database: Database) -> None:
    await ensure_indexes(database)
    sessions = [new_session(), new_session(), new_session(key="k")]
    log = [message(str(seq), seq=seq) for seq in (1, 2, 3)]
    await database[SESSIONS].insert_many([documents.to_head(session) for session in sessions])
    await database[HISTORY].insert_many([documents.to_entry(sessions[0].id, [m]) for m in log])

    await ensure_indexes(database)

    assert await missing_indexes(database) == []


async def test_indexes_have_the_keys_and_options_they_are_declared_with(
    database: Database,
) -> None:
    await ensure_indexes(database)

    for index in INDEXES:
        found = (await database[index.collection].index_information())[index.name]
        expected = {"key": list(index.keys), "v": 2} | index.options
        assert found == expected


async def test_an_index_violated_by_stored_data_is_named(database: Database) -> None:
    doubled = [documents.to_head(new_session(key="private")) for _ in range(2)]
    await database[SESSIONS].insert_many(doubled)

    with pytest.raises(StoreUnavailable) as refused:
        await ensure_indexes(database)

    assert str(refused.value) == (
        "MongoDB refuses the index sessions.user_id_key: DuplicateKey. Try again in 2 seconds."
    )


async def test_another_index_of_the_same_name_is_named(database: Database) -> None:
    first = INDEXES[0]
    await database[first.collection].create_index([("title", 1)], name=first.name)

    with pytest.raises(StoreUnavailable, match=f"{first.name}: IndexKeySpecsConflict"):
        await ensure_indexes(database)


def test_no_two_indexes_share_a_name_or_their_keys() -> None:
    assert len({(index.collection, index.name) for index in INDEXES}) == len(INDEXES)
    assert len({(index.collection, tuple(index.keys)) for index in INDEXES}) == len(INDEXES)


@pytest.mark.parametrize("sort_by", SortBy)
@pytest.mark.parametrize("selected", [["user_id"], ["agent_id"], ["user_id", "agent_id"]])
def test_every_list_has_its_index(selected: list[str], sort_by: SortBy) -> None:
    (index,) = (index for index in INDEXES if index.name == list_index(selected, sort_by))

    assert [field for field, _ in index.keys] == [*selected, sort_by, "_id"]


def test_neither_the_order_of_selected_fields_nor_other_fields_change_the_index() -> None:
    assert list_index(["agent_id", "is_test", "user_id"], SortBy.CREATED_AT) == (
        "user_id_agent_id_by_created_at"
    )
