"""No request goes on for ever: behind its deadline it is told what may have been done."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx2
import pytest
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.api.context import DialectEndpoint, Handler
from service.api.deadlines import CHECK_EVERY_S, Deadlines
from service.api.errors import headers_of, status_of
from service.api.hangups import while_connected
from service.api.path_route import PathRoute
from service.api.shapes import read_body
from service.domain.errors import DomainError

TIME_S = 0.1
LATEST_S = TIME_S + CHECK_EVERY_S
BODY = b'{"a": "b"}'
JSON = {"content-type": "application/json"}


class Letters(BaseModel):
    a: str


class Anybody:
    async def caller(self, _: str) -> None: ...


def _render(error: DomainError) -> Response:
    return Response(str(error), status_of(error), headers_of(error))


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    handlers: dict[str, Handler] = {
        "/stuck": _stuck,
        "/read": _read,
        "/read_then_stuck": _read_then_stuck,
        "/model": _model,
        "/other_timeout": _other_timeout,
    }
    endpoints = {path: DialectEndpoint(handler, _render) for path, handler in handlers.items()}
    app = Starlette(
        routes=[PathRoute(path, {"GET": e, "POST": e}) for path, e in endpoints.items()]
    )
    app.state.settings = SimpleNamespace(max_body_bytes=1000)
    app.state.authenticator = Anybody()
    app.state.time_is_up = asyncio.get_running_loop().create_future()
    app.state.deadlines = Deadlines(TIME_S)
    watching = asyncio.create_task(app.state.deadlines.watch())
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client
    watching.cancel()


async def _stuck(_: Request) -> Response:
    await asyncio.Event().wait()
    raise AssertionError


async def _read(request: Request) -> Response:
    return JSONResponse((await read_body(request, Letters)).a)


async def _read_then_stuck(request: Request) -> Response:
    await read_body(request, Letters)
    return await _stuck(request)


async def _model(request: Request) -> Response:
    return JSONResponse(await while_connected(request, asyncio.sleep(2 * LATEST_S, "answer")))


async def _other_timeout(_: Request) -> Response:
    raise TimeoutError


async def _slow_body() -> AsyncIterator[bytes]:
    yield BODY[:5]
    await asyncio.sleep(2 * LATEST_S)
    yield BODY[5:]


@pytest.mark.parametrize(("method", "outcome"), [("GET", "unchanged"), ("POST", "unknown")])
async def test_it_is_told_what_may_have_been_done(
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


async def test_behind_a_slow_body_it_counts_from_there(client: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(4 * LATEST_S):
        answer = await client.post("/read_then_stuck", content=_slow_body(), headers=JSON)

    assert (answer.status_code, answer.headers["outcome"]) == (503, "unknown")


async def test_who_waits_for_a_model_waits_as_long_as_the_model_may_take(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.post("/model")

    assert answer.json() == "answer"


async def test_another_timeout_is_a_mistake_of_ours(client: httpx2.AsyncClient) -> None:
    with pytest.raises(TimeoutError):
        await client.get("/other_timeout")
