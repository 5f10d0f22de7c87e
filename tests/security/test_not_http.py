"""Bytes that are not HTTP, or make no sense here, get a response in JSON and cost little."""

from collections.abc import Iterator

import pytest

from service.edge.protocol import MAX_PIPELINED
from tests.security.sockets import (
    REQUEST,
    answer_to,
    connected,
    ends,
    is_closed,
    listening,
    read_answer,
    send,
)

POST = b"POST /session/ HTTP/1.1\r\nHost: service\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"\r\n\r\n"
JUNK = {
    "text": b"junk" + END,
    "a TLS handshake": b"\x16\x03\x01",
    "a space in the path": b"GET /a b HTTP/1.1" + END,
    "NUL in the path": b"GET /\x00 HTTP/1.1" + END,
    "a path that is not ASCII": "GET /é HTTP/1.1\r\n\r\n".encode(),
    "a URL without a path": b"GET http://elsewhere HTTP/1.1" + END,
    "a tunnel": b"CONNECT elsewhere:443 HTTP/1.1" + END,
    "an unknown method": b"FETCH / HTTP/1.1" + END,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM" + END,
    "a bare newline": b"GET / HTTP/1.1\nHost: service\n\n",
    "a folded line": REQUEST + b"X: a\r\n b" + END,
    "a space before the colon": REQUEST + b"X : a" + END,
    "NUL in a header": REQUEST + b"X: a\x00b" + END,
    "no host": b"GET /health HTTP/1.1" + END,
    "two hosts": REQUEST + b"Host: elsewhere" + END,
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6" + END + b"hello",
    "a length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked" + END,
    "a negative length": POST + b"Content-Length: -1" + END,
    "a length without bound": POST + b"Content-Length: 99999999999999999999" + END,
    "another coding than chunked": POST + b"Transfer-Encoding: xchunked" + END,
}
# What the parser does not report until it is complete.
ENDLESS = {
    "the size of a chunk": b"1;" + b"x" * 2**22,
    "the value of a trailer": b"0\r\nX: " + b"x" * 2**22,
    "the name of a trailer": b"0\r\n" + b"x" * 2**22,
    "trailers": b"0\r\n" + b"X: y\r\n" * 200_000,
}


@pytest.fixture(scope="module")
def port(mongo_url: str) -> Iterator[int]:
    with listening(mongo_url) as port:
        yield port


@pytest.mark.parametrize("before", [b"", REQUEST + b"\r\n"], ids=["at first", "later"])
@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
async def test_bytes_that_are_not_http_are_400_in_json(
    port: int, junk: bytes, before: bytes
) -> None:
    async with connected(port) as (reader, writer):
        if before:
            await send(writer, before)
            await read_answer(reader)
        await send(writer, junk)

        answer = await read_answer(reader)

        assert answer.status == 400
        assert set(answer.body) in ({"message", "error", "code"}, {"detail"})
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]
        assert "server" not in answer.headers
        assert await is_closed(reader)


@pytest.mark.parametrize("endless", ENDLESS.values(), ids=ENDLESS)
async def test_endless_data_within_a_body_ends_the_connection(port: int, endless: bytes) -> None:
    async with connected(port) as (reader, writer):
        writer.write(CHUNKED + endless)

        answer = await ends(reader)

        assert answer.count(b"HTTP/1.1 ") <= 1


async def test_http_1_0_needs_no_host(port: int) -> None:
    assert (await answer_to(port, b"GET /health HTTP/1.0" + END)).status == 200


async def test_junk_after_a_request_does_not_replace_its_response(port: int) -> None:
    async with connected(port) as (reader, writer):
        await send(writer, REQUEST + b"\r\njunk" + END)

        assert await is_closed(reader)


async def test_too_many_pipelined_requests_end_the_connection(port: int) -> None:
    async with connected(port) as (reader, writer):
        await send(writer, (REQUEST + b"\r\n") * (MAX_PIPELINED + 2))

        assert await is_closed(reader)


async def test_the_service_keeps_running_after_all_of_it(port: int) -> None:
    assert (await answer_to(port, REQUEST + b"\r\n")).status == 200
