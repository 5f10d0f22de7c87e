"""A balancer whose list of endpoints is stale: it keeps sending to one that stops."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count

from service.devdb.tcp_ports import HOST

CHUNK_BYTES = 64 * 1024


class Balancer:
    """Gives each new connection to the next endpoint in the list, as layer 4 balancers do.

    If an endpoint fails, the client sees the failure: nothing is retried.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = list(ports)
        self._turn = count()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError):
            answers, requests = await asyncio.open_connection(HOST, self._next())
            ways = (_pass_on(reader, requests), _pass_on(answers, writer))
            await asyncio.gather(*ways, return_exceptions=True)
        writer.close()

    def _next(self) -> int:
        return self.ports[next(self._turn) % len(self.ports)]


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def balancer(ports: Sequence[int]) -> AsyncIterator[tuple[Balancer, str]]:
    """Give the balancer and its URL."""
    balancing = Balancer(ports)
    server = await asyncio.start_server(balancing.serve, HOST, 0)
    try:
        yield balancing, f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
