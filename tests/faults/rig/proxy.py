"""A proxy that fails on demand: between clients and services, or in front of MongoDB."""

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum
from random import Random

from service.devdb.tcp_ports import HOST

CHUNK_BYTES = 64 * 1024
TRICKLE_BYTES = 1024
DELAY_S = 0.3
RESET = struct.pack("ii", 1, 0)
# Where the command name begins in an OP_MSG.
COMMAND_AT = 26
OP_MSG = struct.pack("<i", 2013)


class Fault(Enum):
    NONE = "none"
    DELAY = "delay"
    TRICKLE = "1 KiB/s"
    RESET_REQUEST = "reset before the request"
    RESET_REPLY = "reset before the reply"
    LOST_REPLY = "no reply"
    HANG_UP = "hang-up behind the request"
    HALF_OPEN = "half-open"


Matches = Callable[[bytes], bool]


class FaultProxy:
    """Applies `fault` to the requests that match, each with `chance`; forwards the others.

    It treats what arrives after a response as the beginning of a request: no client may send
    two requests at a time on one connection.
    """

    def __init__(self, port: int, random: Random, matches: Matches = bool) -> None:
        self.target_port = port
        self.fault = Fault.NONE
        self.chance = 1.0
        self.hits = 0
        self._random = random
        self._matches = matches
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            self._connections.discard(task)

    async def close(self) -> None:
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(HOST, self.target_port)
        connection = _Connection(self, writer, requests)
        ways = (connection.forward(reader), connection.back(answers))
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            connection.close()

    def fault_for(self, request: bytes) -> Fault:
        if self.fault is Fault.NONE or not self._matches(request):
            return Fault.NONE
        if self._random.random() >= self.chance:
            return Fault.NONE
        self.hits += 1
        return self.fault


class _Connection:
    def __init__(self, proxy: FaultProxy, client: StreamWriter, server: StreamWriter) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._fault = Fault.NONE
        self._is_in_request = False
        self._is_reset = False

    async def forward(self, reader: StreamReader) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if not self._is_in_request:
                self._is_in_request = True
                self._fault = self._proxy.fault_for(data)
            if self._fault is Fault.RESET_REQUEST:
                self._is_reset = True
                return
            await self._pass_on(data, self._server)
            if self._fault is Fault.HANG_UP:
                self._is_reset = True
                return

    async def back(self, reader: StreamReader) -> None:
        while data := await reader.read(CHUNK_BYTES):
            self._is_in_request = False
            if self._fault is Fault.RESET_REPLY:
                self._is_reset = True
                return
            if self._fault is not Fault.LOST_REPLY:
                await self._pass_on(data, self._client)

    async def _pass_on(self, data: bytes, writer: StreamWriter) -> None:
        match self._fault:
            case Fault.HALF_OPEN:
                return
            case Fault.DELAY:
                await asyncio.sleep(DELAY_S)
            case Fault.TRICKLE:
                await _trickle(data, writer)
                return
        writer.write(data)
        await writer.drain()

    def close(self) -> None:
        for writer in (self._client, self._server):
            if self._is_reset:
                _reset(writer)
            else:
                writer.close()


async def _trickle(data: bytes, writer: StreamWriter) -> None:
    for at in range(0, len(data), TRICKLE_BYTES):
        piece = data[at : at + TRICKLE_BYTES]
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(len(piece) / TRICKLE_BYTES)


def _reset(writer: StreamWriter) -> None:
    """End the connection with RST, not with FIN: it cannot be mistaken for a regular end."""
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


def is_command(*names: str) -> Matches:
    """Match requests to MongoDB with these commands."""
    beginnings = tuple(f"{name}\0".encode() for name in names)
    return lambda data: data[12:16] == OP_MSG and data[COMMAND_AT:].startswith(beginnings)


@asynccontextmanager
async def fault_proxy(
    port: int, random: Random, matches: Matches = bool
) -> AsyncIterator[tuple[FaultProxy, int]]:
    """Give a proxy to this port, and its own port."""
    proxy = FaultProxy(port, random, matches)
    server = await asyncio.start_server(proxy.serve, HOST, 0)
    try:
        yield proxy, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await proxy.close()
