"""What all tests share: one real MongoDB for the whole run."""

import inspect
from collections.abc import AsyncIterator

import hypothesis
import pytest

from config.settings import Settings, give_motor_workers
from service.devdb.embedded import EmbeddedMongo
from tests.memory import MEMORY, MEMORY_OPTION

# mongomock-motor imports Motor, which sizes its thread pool then: before any driver is chosen.
give_motor_workers(Settings(_env_file=None).mongo_max_pool)

# On a busy machine an example may take long: no reason to call a test flaky.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")

# These fixtures take the stores in memory instead, or open a connection only where it is used.
NEED_NO_MONGODB = {"app", "talking", "mongodb", "mongo_url", "databases"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(MEMORY_OPTION, action="store_true", help="run what needs no MongoDB")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption(MEMORY_OPTION):
        return
    left_out = [item for item in items if _needs_mongodb(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def _needs_mongodb(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):
        return False
    if "kind" in item.fixturenames:
        return item.callspec.params.get("kind") != MEMORY
    fixtures = item._fixtureinfo.name2fixturedefs.items()  # noqa: SLF001  No other way.
    asked_for = {
        argument
        for name, definitions in fixtures
        if name not in NEED_NO_MONGODB
        for argument in definitions[-1].argnames
    } | set(inspect.signature(item.function).parameters)
    return bool({"mongo_url", "mongodb"} & asked_for)


@pytest.fixture(scope="session")
async def mongo_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    if request.config.getoption(MEMORY_OPTION):
        yield "mongodb://127.0.0.1:1/"
        return
    async with EmbeddedMongo(tmp_path_factory.mktemp("mongo")) as url:
        yield url
