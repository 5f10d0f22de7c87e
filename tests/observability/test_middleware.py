"""Requests are counted by the template of their path, never by anything a caller makes up."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from service.edge.request_metrics import Measured
from tests.observability.samples import sample
from tests.throwaway import application, dialect_of, open_endpoints

REQUESTS = "sessions_http_requests_total"
SECONDS = "sessions_http_request_duration_seconds_count"
STREAMS = "sessions_streams_open"


async def show(_: Request) -> Response:
    return PlainTextResponse("shown")


async def fail(_: Request) -> Response:
    raise RuntimeError


async def stream(_: Request) -> Response:
    async def events() -> AsyncIterator[str]:
        yield f"{sample(STREAMS):g}"

    return StreamingResponse(events(), media_type="text/event-stream")


@pytest.fixture
def dialect() -> str:
    """Return a dialect for this test only: the whole process shares the metrics."""
    return uuid4().hex


@pytest.fixture
async def client(dialect: str) -> AsyncIterator[httpx2.AsyncClient]:
    handlers = {"/of/{session_id}": show, "/fail": fail, "/stream": stream}
    made = dialect_of(*open_endpoints(handlers), name=dialect)
    app, _ = application(made, Middleware(Measured))
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


async def test_requests_are_counted_by_template_and_dialect(
    client: httpx2.AsyncClient, dialect: str
) -> None:
    await client.get("/of/alice")
    await client.get("/of/bob")

    labels = {"method": "GET", "route": "/of/{session_id}", "dialect": dialect}
    assert sample(REQUESTS, **labels, status="200") == 2
    assert sample(SECONDS, **labels) == 2


async def test_an_unexpected_error_is_counted_as_500(
    client: httpx2.AsyncClient, dialect: str
) -> None:
    await client.get("/fail")

    labels = {"method": "GET", "route": "/fail", "dialect": dialect}
    assert sample(REQUESTS, **labels, status="500") == 1


async def test_unknown_paths_share_one_series(client: httpx2.AsyncClient) -> None:
    labels = {"method": "GET", "route": "none", "dialect": "none", "status": "404"}
    before = sample(REQUESTS, **labels)

    await client.get(f"/{uuid4()}")
    await client.get(f"/{uuid4()}")

    assert sample(REQUESTS, **labels) - before == 2


async def test_unknown_methods_share_one_series(client: httpx2.AsyncClient) -> None:
    labels = {"method": "other", "route": "none", "dialect": "none", "status": "404"}
    before = sample(REQUESTS, **labels)

    await client.request("SURPRISE", "/nothing")
    await client.request("MOREOVER", "/nothing")

    assert sample(REQUESTS, **labels) - before == 2


async def test_a_stream_is_open_until_its_end(client: httpx2.AsyncClient) -> None:
    before = sample(STREAMS)

    answer = await client.get("/stream")

    assert float(answer.text) == before + 1
    assert sample(STREAMS) == before
