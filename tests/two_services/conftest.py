"""Two service processes on one new database: two services, or one with two workers."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from service.auth.mint import mint
from tests.databases import connected, fresh_database, name_of
from tests.running import COMMAND

ROOT = Path(__file__).parent.parent.parent
SERVICE = [sys.executable, "-m", "tests.two_services.service_process"]
WORKERS = [COMMAND, "serve", "--workers", "2"]
SECRET = "a secret of the tests, long enough for HS256"
STOP_TIMEOUT_S = 30
KEYED_LIMIT = 20


@contextmanager
def service_process(command: list[str], settings: dict[str, str]) -> Iterator[str]:
    """Run a service with only these settings; give its URL."""
    outside = {name: v for name, v in os.environ.items() if not name.startswith("SESSIONS_")}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=outside | settings,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        port = re.findall(r"\d+", process.stdout.readline())[-1]
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=STOP_TIMEOUT_S)


# Session scope, so that all tests of one kind run before those of the other.
@pytest.fixture(scope="session", params=["services", "workers"])
async def urls(request: pytest.FixtureRequest, mongo_url: str) -> AsyncIterator[list[str]]:
    """Give the URLs of both; two workers share one."""
    async with connected("pymongo", mongo_url) as client, fresh_database(client) as database:
        settings = {
            "SESSIONS_MONGO_URL": mongo_url,
            "SESSIONS_MONGO_DATABASE": name_of(database),
            "SESSIONS_JWT_SECRET": SECRET,
            "SESSIONS_PORT": "0",
            "SESSIONS_REQUESTS_PER_MINUTE": f"keyed={KEYED_LIMIT}",
            "SESSIONS_RATE_LIMIT_STORE": "mongodb",
        }
        commands = [WORKERS] if request.param == "workers" else [SERVICE, SERVICE]
        with ExitStack() as stack:
            running = [stack.enter_context(service_process(c, settings)) for c in commands]
            yield [running[0], running[-1]]
            # Awaited in a thread: the database's client must keep listening meanwhile.
            await asyncio.to_thread(stack.close)


@pytest.fixture(scope="module")
async def services(urls: list[str]) -> AsyncIterator[list[httpx2.AsyncClient]]:
    """Give a client for each service; both carry the same user's token."""
    async with client_for(urls[0]) as first, client_for(urls[1]) as second:
        yield [first, second]


def client_for(url: str) -> httpx2.AsyncClient:
    token = mint(SECRET, user_id="alice", scopes=(), lifetime_s=86400)
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(base_url=url, headers=headers, timeout=30)
