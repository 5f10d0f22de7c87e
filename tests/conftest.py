"""What all tests share: one real MongoDB for the whole run."""

from collections.abc import AsyncIterator

import pytest


@pytest.fixture(scope="session")
async def mongo_url() -> AsyncIterator[str]:
    yield "mongodb://127.0.0.1:28017/?directConnection=true"
