"""The whole service in this process, on a real MongoDB, called over ASGI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from config.settings import Settings
from service.app import SessionService
from tests.api.asking import SECRET, Api


@asynccontextmanager
async def running_app(mongo_url: str, **settings: Any) -> AsyncIterator[SessionService]:
    own = {"mongo_database": f"observability_{uuid4().hex}", "jwt_secret": SECRET}
    complete = Settings(_env_file=None, mongo_url=mongo_url, **{**own, **settings})
    app = SessionService(complete)
    async with app.lifespan():
        yield app


@asynccontextmanager
async def asking(app: SessionService) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


@pytest.fixture
async def app(mongo_url: str) -> AsyncIterator[SessionService]:
    async with running_app(mongo_url) as app:
        yield app


@pytest.fixture
async def client(app: SessionService) -> AsyncIterator[httpx2.AsyncClient]:
    async with asking(app) as client:
        yield client


@pytest.fixture
def alice(client: httpx2.AsyncClient) -> Api:
    return Api(client, f"alice-{uuid4().hex}")
