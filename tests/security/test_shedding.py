"""A request is refused from its bytes only if no parser could see its end elsewhere."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httptools
import pytest
import uvicorn
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from service.edge.in_flight import InFlight
from service.edge.protocol import LimitedProtocol, ReceiveLimits, limited_protocol
from service.edge.shedding import Shedding
from service.observability.health import Readiness
from tests.rows import ROUTER
from tests.security.sockets import GIVE_UP_S, read_answer
from tests.security.sockets import HOST as ADDRESS

BODY = b'{"role":"user"}'
LENGTH = f"Content-Length: {len(BODY)}\r\n".encode()
HOST = b"Host: service\r\n"
POST = b"POST /history/update/1?a=b HTTP/1.1\r\n"
GET = b"GET /get_all/ann HTTP/1.1\r\n"
END = b"\r\n"


@pytest.fixture(scope="module")
def shedding() -> Shedding:
    return Shedding(InFlight(0), Readiness(), ROUTER)


class Seen:
    """What uvicorn's parser reads from bytes."""

    def __init__(self, data: bytes) -> None:
        self.has_begun = False
        self.complete = 0
        self.body = b""
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.has_begun = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.has_begun = False
        self.complete += 1


@pytest.mark.parametrize(
    "request_",
    [
        GET + HOST + END,
        POST + HOST + LENGTH + END + BODY,
        b"PUT / HTTP/1.1\r\n" + HOST + b"content-length:0\r\nX_Odd-1:\r\n" + END,
        GET + HOST + b"Connection: keep-alive\r\n" + END,
    ],
)
def test_whole_requests_are_refused_and_the_connection_stays(
    shedding: Shedding, request_: bytes
) -> None:
    refusal = shedding.refusal_of(request_)

    assert refusal is not None
    assert refusal.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nconnection:" not in refusal


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"GET /livez HTTP/1.1\r\n" + HOST + END, id="health"),
        pytest.param(b"HEAD / HTTP/1.1\r\n" + HOST + END, id="wants no body"),
        pytest.param(GET + HOST + b"Origin: http://a\r\n" + END, id="browser"),
        pytest.param(POST + HOST + LENGTH + b"Expect: 100-continue\r\n" + END + BODY, id="waits"),
        pytest.param(GET + HOST + b"Connection: upgrade\r\nUpgrade: h2c\r\n" + END, id="upgrade"),
        pytest.param(POST + HOST + LENGTH + END + BODY[:-1], id="rest of the body to come"),
        pytest.param(POST + HOST + LENGTH + END + BODY + GET, id="next request behind it"),
        pytest.param(GET + HOST + b"connection: close\r\n" + END, id="wants it closed"),
        pytest.param(POST + HOST + LENGTH, id="rest of the head to come"),
        pytest.param(POST + HOST + LENGTH + LENGTH + END + BODY, id="two lengths"),
        pytest.param(
            POST + HOST + LENGTH + b"Transfer-Encoding: chunked\r\n" + END + BODY, id="two ends"
        ),
        pytest.param(GET + HOST + b"X-Request-Id: a\r\nx-request-id: b\r\n" + END, id="two ids"),
        pytest.param(POST + HOST + b"Content-Length : 15\r\n" + END, id="space before the colon"),
        pytest.param(POST + HOST + b"Content-Length: 0\r\n 15\r\n" + END, id="folded line"),
        pytest.param(POST + HOST + b"Content-Length: +0\r\n" + END, id="sign"),
        pytest.param(
            POST + HOST + b"Content-Length: " + b"0" * 10_000 + b"\r\n" + END, id="many digits"
        ),
        pytest.param(GET + HOST + b"A: b\nContent-Length: 15\r\n" + END, id="bare line feed"),
        pytest.param(b"GET http://a/ HTTP/1.1\r\n" + HOST + END, id="whole address"),
        pytest.param(b"GET / HTTP/1.0\r\n" + HOST + END, id="HTTP/1.0"),
        pytest.param(GET + END, id="no header"),
    ],
)
def test_the_application_gets_the_others(shedding: Shedding, request_: bytes) -> None:
    assert shedding.refusal_of(request_) is None


def test_chats_are_let_in_if_only_quick_requests_are_too_many() -> None:
    in_flight = InFlight(10_000)
    shedding = Shedding(in_flight, Readiness(), ROUTER)
    chat = b"POST /chat/1 HTTP/1.1\r\n" + HOST + LENGTH + END + BODY
    requests = [in_flight.request(None) for _ in range(1000)]
    for request in requests:
        request.__enter__()

    assert shedding.is_on
    assert shedding.refusal_of(chat) is None
    assert shedding.refusal_of(GET + HOST + END) is not None


def test_a_draining_process_leaves_all_requests_to_the_application() -> None:
    readiness = Readiness()
    shedding = Shedding(InFlight(0), readiness, ROUTER)
    assert shedding.is_on

    readiness.drain()

    assert not shedding.is_on


LINES = st.sampled_from(
    [
        *(HOST, LENGTH, b"Content-Length: 0\r\n", b"content-length:\t15 \r\n", END, b"\n", b" "),
        *(b"Transfer-Encoding: chunked\r\n", b"TRANSFER-ENCODING:identity\r\n", b"A: b\r\n"),
        *(b"Content-Length: 1", b"5\r\n", b"Connection: close\r\n", b"X-A: \xff\r\n", b"\x00"),
        *(b"Upgrade: h2c\r\n", b"Connection: upgrade\r\n", BODY, b"0\r\n\r\n", GET, POST, b"\r"),
    ]
)


@given(st.sampled_from([GET, POST]), st.lists(LINES, max_size=8), st.sampled_from([END, b""]))
@example(POST, [HOST, LENGTH, END, BODY], b"")
def test_refused_bytes_are_exactly_one_request_to_the_parser_too(
    shedding: Shedding, start: bytes, lines: list[bytes], end: bytes
) -> None:
    data = start + b"".join(lines) + end
    if shedding.refusal_of(data) is None:
        return

    seen = Seen(data)

    assert (seen.complete, seen.has_begun) == (1, False)
    assert data.endswith(END + END + seen.body)


async def test_a_client_that_reads_no_responses_gets_no_more_refusals(
    shedding: Shedding,
) -> None:
    async with refusing(shedding) as (connection, reader, writer):
        writer.write(GET + HOST + END)
        refused = await reader.readuntil(END)
        connection.pause_writing()
        writer.write(GET + HOST + END)
        await asyncio.sleep(0.1)
        connection.resume_writing()
        answered = await reader.readuntil(b"HTTP/1.1 200 OK\r\n")

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"HTTP/1.1 503 " not in answered


async def test_a_connection_is_idle_from_its_last_refusal(shedding: Shedding) -> None:
    async with refusing(shedding, keep_alive_s=1) as (_, reader, writer):
        for _ in range(4):
            writer.write(GET + HOST + END)
            assert (await read_answer(reader)).status == 503
            refused_s = time.monotonic()
            await asyncio.sleep(0.4)
        async with asyncio.timeout(GIVE_UP_S):
            await reader.read()
        closed_s = time.monotonic()

    assert 0.9 < closed_s - refused_s < 2


@asynccontextmanager
async def refusing(
    shedding: Shedding, keep_alive_s: int = 5
) -> AsyncIterator[tuple[LimitedProtocol, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a connection that refuses everything, and its client's reader and writer."""
    config = uvicorn.Config(_app, lifespan="off", log_config=None, timeout_keep_alive=keep_alive_s)
    config.load()
    made = limited_protocol(ReceiveLimits(1000, 10, 10, 10, 10, 10), shedding, ROUTER)
    connection = made(config=config, server_state=ServerState(), app_state={})
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: connection, ADDRESS, 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield connection, reader, writer
    finally:
        writer.close()
        server.close()
        await server.wait_closed()


async def _app(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
