"""No request runs for ever: after its deadline a 503 says whether it may have been applied."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx2
import pytest
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from config.settings import Settings
from service.api.kit.deadlines import CHECK_EVERY_S, Deadlines
from service.api.kit.disconnects import while_connected
from service.api.kit.endpoint import Endpoint, Handler
from service.api.kit.reading import read_body
from service.app import SessionService
from service.auth.mint import mint
from service.domain.errors import OutcomeUnknown
from service.upkeep import background
from tests.api.asking import SECRET
from tests.throwaway import application, dialect_of

PROMISED_S = 21
TIME_S = 0.1
LATEST_S = TIME_S + CHECK_EVERY_S
BODY = b'{"a": "b"}'
JSON = {"content-type": "application/json"}
POST = Request({"type": "http", "method": "POST"})


class Letters(BaseModel):
    a: str


class Anybody:
    async def caller(self, _: str) -> None: ...


class Stuck:
    def __getattr__(self, _: str) -> Handler:
        return _stuck


@pytest.fixture
def took_s() -> list[float]:
    return []


@pytest.fixture
async def deadlines(took_s: list[float]) -> AsyncIterator[Deadlines]:
    deadlines = Deadlines(TIME_S, took_s.append)
    async with background(deadlines.watch()):
        yield deadlines


@pytest.fixture
async def client(deadlines: Deadlines) -> AsyncIterator[httpx2.AsyncClient]:
    handlers: dict[str, Handler] = {
        "/stuck": _stuck,
        "/read": _read,
        "/read_then_stuck": _read_then_stuck,
        "/model": _model,
    }
    endpoints = [
        Endpoint(method, path, handler, "Test.")
        for path, handler in handlers.items()
        for method in ("GET", "POST")
    ]
    app, _ = application(dialect_of(*endpoints))
    app.state.parts = SimpleNamespace(
        max_body_bytes=1000, authenticator=Anybody(), deadlines=deadlines
    )
    app.state.use_cases = SimpleNamespace(time_is_up=asyncio.get_running_loop().create_future())
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


async def _stuck(*_: object) -> Response:
    await asyncio.Event().wait()
    raise AssertionError


async def _read(request: Request) -> Response:
    return JSONResponse((await read_body(request, Letters)).a)


async def _read_then_stuck(request: Request) -> Response:
    await read_body(request, Letters)
    return await _stuck(request)


async def _model(request: Request) -> Response:
    return JSONResponse(await while_connected(request, asyncio.sleep(2 * LATEST_S, "answer")))


async def _stubborn() -> Response:
    """Take longer to end than until the next cancellation."""
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(LATEST_S)
    raise AssertionError


async def _slow_body() -> AsyncIterator[bytes]:
    yield BODY[:5]
    await asyncio.sleep(2 * LATEST_S)
    yield BODY[5:]


@pytest.mark.parametrize(("method", "outcome"), [("GET", "unchanged"), ("POST", "unknown")])
async def test_an_overdue_request_is_503_and_says_whether_it_changed_anything(
    client: httpx2.AsyncClient, method: str, outcome: str
) -> None:
    async with asyncio.timeout(2 * LATEST_S):
        answer = await client.request(method, "/stuck")

    assert (answer.status_code, answer.headers["outcome"]) == (503, outcome)
    assert answer.headers["retry-after"] == "2"


async def test_the_time_of_a_slow_client_is_not_counted(client: httpx2.AsyncClient) -> None:
    length = JSON | {"content-length": str(len(BODY))}

    answer = await client.post("/read", content=_slow_body(), headers=length)

    assert answer.json() == "b"


async def test_after_a_slow_body_the_deadline_counts_from_its_end(
    client: httpx2.AsyncClient,
) -> None:
    async with asyncio.timeout(4 * LATEST_S):
        answer = await client.post("/read_then_stuck", content=_slow_body(), headers=JSON)

    assert (answer.status_code, answer.headers["outcome"]) == (503, "unknown")


async def test_a_request_that_waits_for_a_model_has_as_long_as_the_model(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.post("/model")

    assert answer.json() == "answer"


async def test_a_request_that_was_ended_is_not_cancelled_again(deadlines: Deadlines) -> None:
    with pytest.raises(OutcomeUnknown):
        await deadlines.keep(POST, _stuck(POST))

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("when_s", [0, LATEST_S], ids=["before", "when it is overdue"])
async def test_a_request_cancelled_from_elsewhere_stays_cancelled(
    deadlines: Deadlines, when_s: float
) -> None:
    working = asyncio.create_task(deadlines.keep(POST, _stubborn()))
    await asyncio.sleep(when_s)

    working.cancel()

    with pytest.raises(asyncio.CancelledError):
        await working


async def test_the_time_measured_leaves_out_the_client_and_the_model(
    client: httpx2.AsyncClient, took_s: list[float]
) -> None:
    await client.post("/read", content=_slow_body(), headers=JSON)
    await client.post("/model")
    await client.get("/stuck")

    quick_s, stuck_s = took_s
    assert quick_s < TIME_S
    assert TIME_S <= stuck_s < 2 * LATEST_S


async def test_the_service_itself_ends_a_stuck_request(mongo_url: str) -> None:
    settings = Settings(
        _env_file=None, mongo_url=mongo_url, jwt_secret=SECRET, mongo_timeout_s=TIME_S
    )
    app = SessionService(settings)
    async with app.lifespan():
        app.use_cases = app.use_cases._replace(sessions=Stuck())  # type: ignore[arg-type]
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            token = mint(SECRET, user_id="ann", scopes=(), lifetime_s=60)
            headers = {"authorization": f"Bearer {token}"}
            async with asyncio.timeout(settings.request_deadline_s + 2 * CHECK_EVERY_S):
                answer = await client.get("/get_all/ann", headers=headers)

    assert (answer.status_code, answer.headers["outcome"]) == (503, "unchanged")
    assert Settings(_env_file=None).request_deadline_s + CHECK_EVERY_S <= PROMISED_S
