"""What `/readyz` says about the database, in sentences for operators; never its address."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.storage.diagnosis import NO_PRIMARY, NOBODY, STANDALONE, WRONG_LOGIN
from tests.mongods import PASSWORD, running_mongod, with_users
from tests.observability.conftest import asking, running_app


@pytest.fixture(scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Give the address of a standalone server with users."""
    async with running_mongod(tmp_path_factory.mktemp("mongod"), "--auth") as address:
        await with_users(address)
        yield address


async def readiness(mongo_url: str, **settings: Any) -> tuple[int, dict[str, Any]]:
    async with (
        running_app(mongo_url, mongo_timeout_s=0.5, **settings) as app,
        asking(app) as client,
    ):
        answer = await client.get("/readyz")
    assert "127.0.0.1" not in answer.text
    assert PASSWORD not in answer.text
    return answer.status_code, answer.json()


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_a_standalone_is_ready_and_says_what_it_cannot_promise(
    secured: str, driver: str
) -> None:
    found = await readiness(f"mongodb://root:{PASSWORD}@{secured}/", mongo_driver=driver)

    assert found == (200, {"status": "ready", "failed": [], "details": [STANDALONE]})


async def test_a_healthy_replica_set_has_no_details(mongo_url: str) -> None:
    assert await readiness(mongo_url) == (200, {"status": "ready", "failed": []})


async def test_an_unreachable_database_is_reported() -> None:
    status, body = await readiness("mongodb://127.0.0.1:9/")

    assert (status, body["details"]) == (503, [NOBODY])


async def test_a_replica_set_without_a_primary_is_reported(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("mongod")
    async with running_mongod(folder, "--replSet", "rs0") as address:
        status, body = await readiness(f"mongodb://{address}/?replicaSet=rs0")

    assert (status, body["details"]) == (503, [NO_PRIMARY])


async def test_a_wrong_password_is_reported(secured: str) -> None:
    status, body = await readiness(f"mongodb://root:wrong@{secured}/")

    assert status == 503
    assert WRONG_LOGIN in body["details"][0]


async def test_a_user_who_may_not_create_indexes_is_reported(secured: str) -> None:
    url = f"mongodb://reader:{PASSWORD}@{secured}/bare?authSource=admin"

    status, body = await readiness(url, mongo_database=None)

    assert (status, body["failed"]) == (503, ["indexes"])
    assert "may not create indexes in database bare: grant readWrite" in body["details"][0]
