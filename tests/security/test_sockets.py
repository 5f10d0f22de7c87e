"""The running service and clients that send too much, or too slowly, over real sockets."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.security.sockets import (
    REQUEST,
    TOKEN,
    answer_to,
    connected,
    is_closed,
    listening,
    read_answer,
    send,
)

HEADER_TIMEOUT_S, BODY_TIMEOUT_S = 1, 2
MAX_HEADER_BYTES, MAX_HEADER_LINES = 64 * 1024, 100
MAX_CONNECTIONS = 20
POST = b"POST /session HTTP/1.1\r\nHost: service\r\nContent-Length: 100\r\n\r\n"
AUTHORIZED_POST = (
    b"POST /session/ HTTP/1.1\r\nHost: service\r\nContent-Length: 100\r\n"
    b"Content-Type: application/json\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
)
LINE_OVERHEAD_BYTES = 4


@pytest.fixture(scope="module")
def port(mongo_url: str) -> Iterator[int]:
    with listening(
        mongo_url,
        SESSIONS_HEADER_TIMEOUT_S=str(HEADER_TIMEOUT_S),
        SESSIONS_BODY_TIMEOUT_S=str(BODY_TIMEOUT_S),
    ) as port:
        yield port


def head_of(size_bytes: int) -> bytes:
    """Return a request whose path and header lines have this size together."""
    lines = REQUEST.split(b"\r\n", 1)[1]
    counted = len(b"/health") + len(b"Host" + b"service") + len(b"X" * 5) + 2 * LINE_OVERHEAD_BYTES
    assert lines == b"Host: service\r\n"
    return REQUEST + b"X-Big: " + b"x" * (size_bytes - counted) + b"\r\n\r\n"


def head_with(lines: int) -> bytes:
    """Return a request with this many header lines."""
    return REQUEST + b"".join(b"X-%d: y\r\n" % number for number in range(1, lines)) + b"\r\n"


@pytest.mark.parametrize(("beyond", "status"), [(-1, 200), (0, 200), (1, 431)])
async def test_headers_may_have_64_kib(port: int, beyond: int, status: int) -> None:
    answer = await answer_to(port, head_of(MAX_HEADER_BYTES + beyond))

    assert answer.status == status


@pytest.mark.parametrize(("beyond", "status"), [(-1, 200), (0, 200), (1, 431)])
async def test_headers_may_have_100_lines(port: int, beyond: int, status: int) -> None:
    answer = await answer_to(port, head_with(MAX_HEADER_LINES + beyond))

    assert answer.status == status


@pytest.mark.parametrize(
    "endless",
    [b"X-Big: " + b"x" * 2**22, b"x" * 2**22, b"X: y\r\n" * 200_000],
    ids=["value", "name", "lines"],
)
async def test_endless_headers_are_refused_before_they_are_complete(
    port: int, endless: bytes
) -> None:
    async with connected(port) as (reader, writer):
        writer.write(REQUEST + endless)

        assert await is_refused(reader)


async def is_refused(reader: asyncio.StreamReader) -> bool:
    """Say whether the response is 431, or missing because more headers were still arriving."""
    try:
        return (await read_answer(reader)).status == 431
    except (ConnectionResetError, asyncio.IncompleteReadError):
        return True


async def test_refusals_are_json_and_end_the_connection(port: int) -> None:
    async with connected(port) as (reader, writer):
        await send(writer, head_with(MAX_HEADER_LINES + 1))

        answer = await read_answer(reader)

        assert answer.body.keys() == {"message", "error", "code"}
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]
        assert "server" not in answer.headers
        assert await is_closed(reader)


async def test_dripping_headers_are_408_when_their_time_is_up(port: int) -> None:
    async with connected(port) as (reader, writer):
        dripping = asyncio.create_task(drip(writer, REQUEST))

        answer = await read_answer(reader)

        assert answer.status == 408
        assert await is_closed(reader)
        await dripping


async def drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    for byte in data:
        if writer.is_closing():
            return
        writer.write(bytes([byte]))
        await asyncio.sleep(HEADER_TIMEOUT_S / 10)


@pytest.mark.parametrize("before", [b"", REQUEST + b"\r\n"], ids=["at first", "later"])
async def test_a_connection_kept_busy_with_empty_lines_is_closed(port: int, before: bytes) -> None:
    async with connected(port) as (reader, writer):
        if before:
            await send(writer, before)
            assert (await read_answer(reader)).status == 200
        dripping = asyncio.create_task(drip(writer, b"\r\n" * 20))

        assert await is_closed(reader)
        await dripping


async def test_a_silent_connection_is_closed_without_a_response(port: int) -> None:
    async with connected(port) as (reader, _):
        assert await is_closed(reader)


async def test_a_body_that_does_not_arrive_is_408_when_its_time_is_up(port: int) -> None:
    async with connected(port) as (reader, writer):
        await send(writer, AUTHORIZED_POST + b'{"user_id": ')

        assert (await read_answer(reader)).status == 408
        assert await is_closed(reader)


async def test_a_body_no_one_waits_for_ends_the_connection_with_one_response(port: int) -> None:
    async with connected(port) as (reader, writer):
        await send(writer, POST)

        assert (await read_answer(reader)).status == 401
        assert await is_closed(reader)


async def test_requests_on_one_connection_have_deadlines_of_their_own(port: int) -> None:
    async with connected(port) as (reader, writer):
        for _ in range(4):
            await send(writer, REQUEST)
            await asyncio.sleep(HEADER_TIMEOUT_S / 2)
            await send(writer, b"\r\n")

            assert (await read_answer(reader)).status == 200


async def test_requests_sent_together_on_one_connection_are_all_answered(port: int) -> None:
    async with connected(port) as (reader, writer):
        await send(writer, (REQUEST + b"\r\n") * 20)

        statuses = [(await read_answer(reader)).status for _ in range(20)]

    assert statuses == [200] * 20


async def test_one_connection_too_many_is_503_with_retry_after(mongo_url: str) -> None:
    with listening(mongo_url, SESSIONS_MAX_CONNECTIONS=str(MAX_CONNECTIONS)) as port:
        async with AsyncExitStack() as stack:
            for _ in range(MAX_CONNECTIONS):
                last, sender = await stack.enter_async_context(connected(port))

            async with connected(port) as (reader, _):
                answer = await read_answer(reader)
            await send(sender, REQUEST + b"\r\n")
            answer_to_the_last = await read_answer(last)

    assert answer_to_the_last.status == 200
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.body.keys() == {"message", "error", "code"}
