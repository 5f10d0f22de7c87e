"""An application on a real port of this machine, in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

DEADLINE_S = 5


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Give the URL of the application."""
    config = uvicorn.Config(
        app, port=0, log_config=None, log_level="critical", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another task or another side of a connection does."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  Neither side has an event for it.
            await asyncio.sleep(0.01)
