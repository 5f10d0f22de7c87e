"""New connections are accepted in time, however busy the event loop is."""

import asyncio
import socket
from contextlib import ExitStack

import uvloop

from service.server import accepting
from tests.security.sockets import HOST

TURNS, CLIENTS = 6, 64


def test_a_turn_of_the_loop_accepts_many_connections() -> None:
    assert uvloop.run(_accepted_in(TURNS)) == CLIENTS


async def _accepted_in(turns: int) -> int:
    accepted = 0

    class Counting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal accepted
            accepted += 1
            transport.close()

    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HOST, 0), backlog=CLIENTS))
        for _ in range(CLIENTS):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(Counting, sock=s) for s in accepting(listener)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for server in servers:
            server.close()
        return accepted
