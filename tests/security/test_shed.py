"""A busy process refuses requests before they cost anything, and keeps their connections open."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx2
import pytest

from tests.security.sockets import (
    GIVE_UP_S,
    TOKEN,
    Connection,
    answer_to,
    connected,
    is_closed,
    listening,
    read_answer,
    send,
)

HEAD = f"Host: service\r\nAuthorization: Bearer {TOKEN}\r\n"
GET = f"GET /get_all/ann HTTP/1.1\r\n{HEAD}".encode()
BODY = b'{"role":"user","content":"hello"}'
POST = (
    f"POST /history/update/{uuid4()} HTTP/1.1\r\n{HEAD}"
    f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode()
END = b"\r\n"


@pytest.fixture(scope="module")
def port(mongo_url: str) -> Iterator[int]:
    with listening(mongo_url, SESSIONS_MAX_REQUESTS_IN_FLIGHT="1") as port:
        yield port


@pytest.fixture
async def busy(port: int) -> AsyncIterator[Connection]:
    """The connection of a request in progress, which still lacks its body."""
    await _until_answered(port, 200)
    async with connected(port) as (reader, writer):
        await send(writer, POST)
        await _until_answered(port, 503)
        yield reader, writer


async def _until_answered(port: int, status: int) -> None:
    async with asyncio.timeout(GIVE_UP_S):
        while (await answer_to(port, GET + END)).status != status:
            pass


async def test_a_connection_stays_usable_after_a_refusal(port: int, busy: Connection) -> None:
    async with connected(port) as (reader, writer):
        refused = []
        for _ in range(3):
            await send(writer, POST + BODY)
            refused.append(await read_answer(reader))
        await send(busy[1], BODY)
        answered = await read_answer(busy[0])
        await send(writer, GET + END)
        served = await read_answer(reader)

    assert [answer.status for answer in refused] == [503, 503, 503]
    assert (answered.status, served.status) == (404, 200)


@pytest.mark.usefixtures("busy")
async def test_it_says_that_nothing_was_done_and_when_to_retry(port: int) -> None:
    refused = await answer_to(port, GET + b"X-Request-Id: mine\r\n" + END)

    assert refused.status == 503
    assert refused.body.keys() == {"message", "error", "code"}
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["outcome"] == "unchanged"
    assert refused.headers["x-request-id"] == "mine"
    assert refused.headers["cache-control"] == "no-store"
    assert "connection" not in refused.headers
    # The application's responses have one: the application has not seen this request.
    assert "date" not in refused.headers


@pytest.mark.usefixtures("busy")
async def test_a_client_that_wants_the_connection_closed_gets_it_closed(port: int) -> None:
    async with connected(port) as (reader, writer):
        await send(writer, GET + b"Connection: close\r\n" + END)
        refused = await read_answer(reader)

        assert refused.status == 503
        assert refused.headers["connection"] == "close"
        assert await is_closed(reader)


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    "line", [b"Origin: http://elsewhere\r\n", b"Expect: 100-continue\r\nContent-Length: 5\r\n"]
)
async def test_requests_the_application_refuses_get_the_same_refusal(
    port: int, line: bytes
) -> None:
    refused = await answer_to(port, GET + line + END)

    assert refused.status == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["outcome"] == "unchanged"


@pytest.mark.usefixtures("busy")
async def test_a_refused_head_request_gets_no_body(port: int) -> None:
    async with connected(port) as (reader, writer):
        await send(writer, GET.replace(b"GET", b"HEAD", 1) + b"Connection: close\r\n" + END)
        received = await reader.read()

    assert received.startswith(b"HTTP/1.1 503 ")
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.usefixtures("busy")
async def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    async with connected(port) as (reader, writer):
        health = b"GET /health HTTP/1.1\r\nHost: service\r\n\r\n"
        await send(writer, health + GET + END + health)
        statuses = [(await read_answer(reader)).status for _ in range(3)]

    assert statuses == [200, 503, 200]


@pytest.mark.usefixtures("busy")
async def test_junk_after_the_headers_of_a_refused_request_is_400(port: int) -> None:
    async with connected(port) as (reader, writer):
        await send(writer, GET + b"Transfer-Encoding: chunked\r\n" + END + b"no length\r\n")
        answer = await read_answer(reader)

        assert answer.status == 400
        assert await is_closed(reader)


@pytest.mark.usefixtures("busy")
async def test_a_client_that_offers_another_protocol_is_refused_in_http_1_1(port: int) -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"

    assert (await answer_to(port, GET + offer + END)).status == 503


@pytest.mark.usefixtures("busy")
async def test_a_process_reports_its_health_and_counts_refused_requests(port: int) -> None:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        labels = 'dialect="none",method="GET",route="none",status="503"'
        await client.get("/get_all/ann")
        health, metrics = await client.get("/livez"), await client.get("/metrics")

    assert health.status_code == 200
    assert f"sessions_http_requests_total{{{labels}}}" in metrics.text
