"""The whole service in this process, with the demo's model, on a real MongoDB."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest

from config.settings import Settings
from service.app import SessionService
from tests.api.asking import SECRET
from tests.security.world import World, new_world


@pytest.fixture(scope="session")
async def client(mongo_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    settings = Settings(
        _env_file=None,
        mongo_url=mongo_url,
        mongo_database=f"security_{uuid4().hex}",
        jwt_secret=SECRET,
        requests_per_minute={"keyed": 1_000_000},
    )
    app = SessionService(settings, demo=True)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.lifespan(),
        httpx2.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        yield client


@pytest.fixture(scope="session")
def unchanged() -> list[World]:
    """Return where a world that no test changed waits for the next test."""
    return []


@pytest.fixture
async def world(client: httpx2.AsyncClient, unchanged: list[World]) -> AsyncIterator[World]:
    world = unchanged.pop() if unchanged else await new_world(client)
    world.seen_unchanged = None
    yield world
    if await world.is_unchanged():
        unchanged.append(world)
    else:
        # Deleting the owner also deletes its sessions, so that lists of all users stay short.
        await world.owner.ask("DELETE", f"/user/{world.owner.user_id}/")
