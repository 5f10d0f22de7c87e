"""A proxy to the database that can fall silent: requests arrive, no response comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class SilentProxy:
    """Forwards requests, and also responses until it is silenced."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._is_silent = False
        self._connections = 0
        self._changed = asyncio.Condition()
        self._writers: list[asyncio.StreamWriter] = []

    async def connected(self, count: int) -> None:
        """Wait until that many connections exist."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._connections >= count)

    def silence(self) -> None:
        self._is_silent = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(*self._target)
        self._writers += [writer, requests]
        async with self._changed:
            self._connections += 1
            self._changed.notify_all()
        await asyncio.gather(
            self._pass_on(reader, requests, silenced=False),
            self._pass_on(answers, writer, silenced=True),
        )

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, silenced: bool
    ) -> None:
        while data := await reader.read(65536):
            if not (silenced and self._is_silent):
                writer.write(data)
        writer.close()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def silent_proxy(host: str, port: int) -> AsyncIterator[tuple[SilentProxy, str]]:
    """Give the proxy and the URL to reach the database through it."""
    proxy = SilentProxy(host, port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    own_port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, f"mongodb://127.0.0.1:{own_port}/?directConnection=true"
    finally:
        server.close()
        proxy.close()
