"""What a client knows about an attempt: done, refused, never sent, or unknown."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest

from service.devdb.tcp_ports import free_port
from tests.faults.bodies import body_of, hash_of
from tests.faults.client import Attempt, Client
from tests.faults.dialects import Ask
from tests.faults.history import Dialect, Kind, Operation, Outcome, Seen

DEADLINE_S = 0.5
ASK = Ask(kind=Kind.RECENT, dialect=Dialect.NATIVE, owner="user1", session="s")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(status: str, body: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body.encode())}", *headers, "", body]
    return "\r\n".join(lines).encode()


@asynccontextmanager
async def answering(data: bytes, *, ends: bool = True) -> AsyncIterator[str]:
    """Give the URL of a server that answers every request with these bytes, then hangs up."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        if not ends:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def attempted(url: str) -> Operation:
    client = Client([url], deadline_s=DEADLINE_S)
    try:
        return await client.make(Attempt("user1", ASK, call=1), Random(1))
    finally:
        client.close()


async def test_a_response_is_read_into_what_it_shows() -> None:
    text = body_of("user2", 1, Random(1))
    body = '{"data": [{"role": "user", "content": "other", "seq": 4}], "leak": "canary:user2:1;"}'
    async with answering(answer("200 OK", body)) as url:
        operation = await attempted(url)

    assert operation.outcome is Outcome.OK
    assert operation.seen == (Seen(hash_of("other"), 4),)
    assert operation.canaries == ("user2",)
    assert text.startswith("canary:user2:1;")


async def test_if_no_one_listens_nothing_was_sent() -> None:
    operation = await attempted(f"http://127.0.0.1:{free_port()}")

    assert operation.outcome is Outcome.UNSENT


@pytest.mark.parametrize(
    "data",
    [b"", answer("200 OK", '{"data": []}')[:-3], b"no HTTP at all\r\n\r\n"],
    ids=["no answer", "half an answer", "junk"],
)
async def test_a_broken_connection_leaves_the_outcome_unknown(data: bytes) -> None:
    async with answering(data) as url:
        operation = await attempted(url)

    assert operation.outcome is Outcome.UNKNOWN
    assert operation.status is None


async def test_silence_leaves_the_outcome_unknown_at_the_deadline() -> None:
    async with answering(b"", ends=False) as url:
        operation = await attempted(url)

    assert operation.outcome is Outcome.UNKNOWN
    assert DEADLINE_S <= operation.completed_s - operation.invoked_s < 2 * DEADLINE_S


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        ("404 Not Found", (), Outcome.REFUSED),
        ("503 Unavailable", ("Outcome: unchanged", "Retry-After: 2"), Outcome.REFUSED),
        ("503 Unavailable", ("Outcome: unknown", "Retry-After: 2"), Outcome.UNKNOWN),
        ("502 Bad Gateway", (), Outcome.UNKNOWN),
    ],
)
async def test_an_error_says_whether_anything_may_have_changed(
    status: str, headers: tuple[str, ...], outcome: Outcome
) -> None:
    async with answering(answer(status, '{"message": "No.", "error": "why"}', *headers)) as url:
        operation = await attempted(url)

    assert operation.outcome is outcome
    assert operation.is_well_formed
    assert operation.retry_after_s == (2 if headers else None)


@pytest.mark.parametrize("body", ["", "no JSON", "[]", '{"message": "No."}', '{"detail": ""}'])
async def test_an_error_that_does_not_say_what_is_wrong_is_malformed(body: str) -> None:
    async with answering(answer("503 Unavailable", body)) as url:
        operation = await attempted(url)

    assert not operation.is_well_formed


async def test_a_success_in_another_shape_is_malformed() -> None:
    async with answering(answer("200 OK", '{"items": []}')) as url:
        operation = await attempted(url)

    assert operation.outcome is Outcome.OK
    assert not operation.is_well_formed
