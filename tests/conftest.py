"""What all tests share: one real MongoDB for the whole run."""

from collections.abc import AsyncIterator

import pytest

from config.settings import Settings, give_motor_workers
from service.devdb.embedded import EmbeddedMongo

# mongomock-motor imports Motor, which sizes its thread pool then: before any driver is chosen.
give_motor_workers(Settings(_env_file=None).mongo_max_pool)


@pytest.fixture(scope="session")
async def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with EmbeddedMongo(tmp_path_factory.mktemp("mongo")) as url:
        yield url
