"""The service as its users run it: `session-service serve` on a port it keeps when restarted."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from service.devdb.tcp_ports import HOST, free_port
from tests.faults.rig.child import Child
from tests.running import COMMAND

SECRET = "a secret of the faults, long enough for HS256"
START_S = 60
POLL_S = 0.02
READY = b" 200 "


class Service:
    """A process with only these settings."""

    def __init__(self, folder: Path, command: list[str], settings: dict[str, str]) -> None:
        self.port = free_port()
        self.log = folder / f"service-{self.port}.log"
        outside = {n: value for n, value in os.environ.items() if not n.startswith("SESSIONS_")}
        own = {"SESSIONS_PORT": str(self.port), "SESSIONS_JWT_SECRET": SECRET}
        self.process = Child(command, self.log, outside | own | settings)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def start(self) -> None:
        await self.process.start()
        await self.ready()

    async def ready(self) -> None:
        """Return when `/readyz` says so."""
        async with asyncio.timeout(START_S):
            while READY not in await self.status("/readyz"):
                if not self.process.is_running:
                    raise RuntimeError(f"The service ended; see {self.log}")
                await asyncio.sleep(POLL_S)

    async def status(self, path: str) -> bytes:
        """Return the first line of the response on a new connection, or nothing if none comes."""
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, self.port)
            try:
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: rig\r\nConnection: close\r\n\r\n".encode()
                )
                return await reader.readline()
            finally:
                writer.close()
        return b""


def settings_for(mongo_url: str, database: str, **more: str) -> dict[str, str]:
    return {
        "SESSIONS_MONGO_URL": mongo_url,
        "SESSIONS_MONGO_DATABASE": database,
        "SESSIONS_REQUESTS_PER_MINUTE": "keyed=1000000",
        **more,
    }


@asynccontextmanager
async def services(
    folder: Path, count: int, settings: dict[str, str], command: list[str] | None = None
) -> AsyncIterator[list[Service]]:
    """Run this many services with the same settings until the block ends."""
    running = [Service(folder, command or [COMMAND, "serve"], settings) for _ in range(count)]
    try:
        await asyncio.gather(*(service.start() for service in running))
        yield running
    finally:
        await asyncio.gather(*(service.process.stop() for service in running))
