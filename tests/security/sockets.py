"""The running service over real sockets, with requests sent byte by byte."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple
from uuid import uuid4

from service.auth.mint import mint
from tests.api.asking import SECRET
from tests.running import run_service

HOST = "127.0.0.1"
GIVE_UP_S = 15
REQUEST = b"GET /health HTTP/1.1\r\nHost: service\r\n"
TOKEN = mint(SECRET, user_id="ann", scopes=(), lifetime_s=86400)

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


@contextmanager
def listening(mongo_url: str, **settings: str) -> Iterator[int]:
    common = {
        "SESSIONS_MONGO_URL": mongo_url,
        "SESSIONS_MONGO_DATABASE": f"sockets_{uuid4().hex}",
        "SESSIONS_JWT_SECRET": SECRET,
    }
    with run_service(**common, **settings) as service:
        yield int(service.url.rpartition(":")[2])


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    async with asyncio.timeout(GIVE_UP_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(int(first.split()[1]), headers, json.loads(body) if body else None)


async def answer_to(port: int, data: bytes) -> Answer:
    async with connected(port) as (reader, writer):
        await send(writer, data)
        return await read_answer(reader)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(GIVE_UP_S):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


async def ends(reader: asyncio.StreamReader) -> bytes:
    """Return what still arrives before the other side ends the connection, as it must in time."""
    came = bytearray()
    async with asyncio.timeout(GIVE_UP_S):
        try:
            while piece := await reader.read(65536):
                came += piece
        except ConnectionError:
            pass
    return bytes(came)
