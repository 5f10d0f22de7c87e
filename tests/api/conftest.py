"""The whole service in this process, on a real MongoDB, asked over ASGI."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest
from starlette.applications import Starlette

from config.settings import Settings
from service.app import create_app
from service.domain.access import ADMIN_SCOPE, AGENT_SCOPE_PREFIX
from tests.api.asking import SECRET, Api


@pytest.fixture(scope="session")
async def app(mongo_url: str) -> AsyncIterator[Starlette]:
    settings = Settings(
        _env_file=None,
        mongo_url=mongo_url,
        mongo_database=f"api_{uuid4().hex}",
        jwt_secret=SECRET,
        keyed_requests_per_minute=1_000_000,
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
async def client(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


@pytest.fixture
def alice(client: httpx2.AsyncClient) -> Api:
    """Return a user nobody else is: each test has its own."""
    return Api(client, f"alice-{uuid4().hex}")


@pytest.fixture
def bob(client: httpx2.AsyncClient) -> Api:
    return Api(client, f"bob-{uuid4().hex}")


@pytest.fixture
def admin(client: httpx2.AsyncClient) -> Api:
    return Api(client, f"admin-{uuid4().hex}", ADMIN_SCOPE)


@pytest.fixture
def agent_id() -> str:
    return f"agent-{uuid4().hex}"


@pytest.fixture
def dashboard(client: httpx2.AsyncClient, agent_id: str) -> Api:
    """Return a user whose token carries the scope of `agent_id`."""
    return Api(client, f"dashboard-{uuid4().hex}", f"{AGENT_SCOPE_PREFIX}{agent_id}")
