"""The service on a standalone server: a mongod that is in no replica set."""

from collections.abc import AsyncIterator

import pytest

from tests.api.conftest import admin, agent_id, alice, app, bob, client, dashboard
from tests.plain_mongod import plain_mongod

__all__ = ["admin", "agent_id", "alice", "app", "bob", "client", "dashboard"]


@pytest.fixture(scope="session")
async def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with plain_mongod(tmp_path_factory.mktemp("standalone")) as port:
        yield f"mongodb://127.0.0.1:{port}/"
