"""New connections are accepted in time, however busy the event loop is."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import uvloop

from service.run.acceptor import PAUSE_S, Acceptor
from tests.security.sockets import HOST

TURNS, CLIENTS = 6, 64


class Accepted(asyncio.Protocol):
    """Counts its instances' connections."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Accepted.count += 1
        transport.close()


@contextmanager
def waiting() -> Iterator[socket.socket]:
    """Yield a listener with clients in its backlog."""
    Accepted.count = 0
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HOST, 0), backlog=CLIENTS))
        for _ in range(CLIENTS):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        yield listener


@contextmanager
def no_file_descriptor_left() -> Iterator[None]:
    limit, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno(), hard_limit))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard_limit))


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def test_a_few_turns_of_the_loop_accept_many_connections() -> None:
    async def run(listener: socket.socket) -> None:
        acceptor = Acceptor(listener, Accepted)
        acceptor.start(CLIENTS)
        await turns()
        await acceptor.stop()

    with waiting() as listener:
        uvloop.run(run(listener))

        assert listener.fileno() == -1

    assert Accepted.count == CLIENTS


def test_it_pauses_without_file_descriptors_and_resumes_when_some_are_free() -> None:
    async def run(listener: socket.socket) -> int:
        acceptor = Acceptor(listener, Accepted)
        with no_file_descriptor_left():
            acceptor.start(CLIENTS)
            await turns()
            meanwhile = Accepted.count
        await asyncio.sleep(PAUSE_S)
        await turns()
        await acceptor.stop()
        return meanwhile

    with waiting() as listener:
        meanwhile = uvloop.run(run(listener))

    assert (meanwhile, Accepted.count) == (0, CLIENTS)
