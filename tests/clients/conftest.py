"""The service on a real port, with a scripted model, for real clients."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from service.auth.mint import mint
from service.llm.scripted import Script
from tests.api.asking import SECRET
from tests.clients.julep_client import JulepClient
from tests.running import RunningService, run_service
from tests.scripted import ScriptedModel, scripted_server

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / ".venv-clients/julep/bin/python"
CALLS = Path(__file__).parent / "julep_calls.py"


@pytest.fixture(scope="session")
async def scripted() -> AsyncIterator[ScriptedModel]:
    async with scripted_server() as scripted:
        yield scripted


@pytest.fixture
def script(scripted: ScriptedModel) -> Script:
    return scripted.begin()


@pytest.fixture(scope="session")
def service(
    tmp_path_factory: pytest.TempPathFactory, scripted: ScriptedModel
) -> Iterator[RunningService]:
    with run_service(
        SESSIONS_DATA_DIR=str(tmp_path_factory.mktemp("data")),
        SESSIONS_JWT_SECRET=SECRET,
        SESSIONS_LLM_BASE_URL=scripted.url,
        SESSIONS_LLM_MODEL="scripted",
        SESSIONS_LLM_MAX_RETRIES="0",
    ) as service:
        yield service


@pytest.fixture(scope="session", params=["sync", "async"])
async def process(
    request: pytest.FixtureRequest, service: RunningService
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    assert PYTHON.exists(), "The real client is not installed: run `make clients`."
    user_id = str(uuid4())
    token = mint(SECRET, user_id=user_id, scopes=[], lifetime_s=86400)
    process = await asyncio.create_subprocess_exec(
        *(str(PYTHON), "-W", "ignore", str(CALLS), service.url, token, request.param),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process, user_id
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@pytest.fixture
def client(process: tuple[asyncio.subprocess.Process, str], script: Script) -> JulepClient:
    return JulepClient(*process)
