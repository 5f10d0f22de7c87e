"""The whole service in this process, on a real MongoDB, called over ASGI."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest

from config.settings import Settings
from service.app import OpenStores, SessionService, mongo_stores
from service.domain.access import ADMIN_SCOPE, AGENT_SCOPE_PREFIX
from service.llm.scripted import Script
from tests.api.asking import SECRET, Api
from tests.memory import MEMORY_OPTION, memory_stores
from tests.mongods import running_mongod
from tests.scripted import ScriptedModel, scripted_server

REPLICA_SET = "replica set"
STANDALONE = "standalone"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Test the native API twice: on a replica set, and on a standalone server."""
    is_native = metafunc.module.__name__.rpartition(".")[2].startswith("test_native")
    if is_native and "mongodb" in metafunc.fixturenames:
        in_memory = metafunc.config.getoption(MEMORY_OPTION)
        kinds = [REPLICA_SET] if in_memory else [REPLICA_SET, STANDALONE]
        metafunc.parametrize("mongodb", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
async def mongodb(
    request: pytest.FixtureRequest, mongo_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    if getattr(request, "param", REPLICA_SET) == REPLICA_SET:
        yield mongo_url
        return
    async with running_mongod(tmp_path_factory.mktemp("standalone")) as address:
        yield f"mongodb://{address}/"


@pytest.fixture(scope="session")
def open_stores(request: pytest.FixtureRequest) -> OpenStores:
    return memory_stores if request.config.getoption(MEMORY_OPTION) else mongo_stores


@pytest.fixture(scope="session")
async def app(mongodb: str, open_stores: OpenStores) -> AsyncIterator[SessionService]:
    settings = Settings(
        _env_file=None,
        mongo_url=mongodb,
        mongo_database=f"api_{uuid4().hex}",
        jwt_secret=SECRET,
        requests_per_minute={"keyed": 1_000_000},
    )
    app = SessionService(settings, open_stores=open_stores)
    async with app.lifespan():
        yield app


@pytest.fixture(scope="session")
async def client(app: SessionService) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


@pytest.fixture(scope="module")
async def without_database() -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client of a service whose MongoDB cannot be reached."""
    nowhere = "mongodb://127.0.0.1:1/?directConnection=true"
    settings = Settings(_env_file=None, mongo_url=nowhere, mongo_timeout_s=0.05, jwt_secret=SECRET)
    app = SessionService(settings)
    transport = httpx2.ASGITransport(app)
    async with (
        app.lifespan(),
        httpx2.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        yield client


@pytest.fixture(scope="session")
async def scripted() -> AsyncIterator[ScriptedModel]:
    async with scripted_server() as scripted:
        yield scripted


@pytest.fixture
def script(scripted: ScriptedModel) -> Script:
    return scripted.begin()


@pytest.fixture(scope="session")
async def talking(
    mongodb: str, open_stores: OpenStores, scripted: ScriptedModel
) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client of a service whose model responds as the script says."""
    settings = Settings(
        _env_file=None,
        mongo_url=mongodb,
        mongo_database=f"api_{uuid4().hex}",
        jwt_secret=SECRET,
        requests_per_minute={"keyed": 1_000_000},
        llm_base_url=scripted.url,
        llm_model="scripted",
        llm_timeout_s=2,
        llm_max_retries=0,
    )
    app = SessionService(settings, open_stores=open_stores)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.lifespan(),
        httpx2.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        yield client


@pytest.fixture
def talker(talking: httpx2.AsyncClient, script: Script) -> Api:
    """Return a user of the service whose model follows the script."""
    return Api(talking, f"talker-{uuid4().hex}")


@pytest.fixture
def alice(client: httpx2.AsyncClient) -> Api:
    """Return a user no other test has."""
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
