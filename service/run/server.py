"""How uvicorn serves the application, and how it stops: in steps, each within its time."""

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from config.settings import Settings
from service.app import SessionService
from service.edge.protocol import ReceiveLimits, limited_protocol
from service.observability.logs import write_logs
from service.run.acceptor import Acceptor
from service.run.garbage import collect_rarely

DRAIN_POLL_S = 0.05
# How long before they would be cancelled chats and streams get their last words.
LAST_WORDS_S = 1
# Longer than balancers keep an idle connection (60 s), so they never use one that is closing.
KEEP_ALIVE_S = 75


def server_config(service: SessionService) -> uvicorn.Config:
    settings = service.settings
    return uvicorn.Config(
        service,
        http=limited_protocol(_receive_limits(settings), service.shedding, service.router),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )


def _receive_limits(settings: Settings) -> ReceiveLimits:
    return ReceiveLimits(
        max_header_bytes=settings.max_header_bytes,
        max_header_lines=settings.max_header_lines,
        header_timeout_s=settings.header_timeout_s,
        body_timeout_s=settings.body_timeout_s,
        send_timeout_s=settings.send_timeout_s,
        max_connections=settings.max_connections,
    )


class Server(uvicorn.Server):
    """Ends in steps: still accepts requests, then only finishes them, then cuts them short."""

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        when_listening: Callable[[], None],
        service: SessionService,
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._when_listening = when_listening
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        # No sockets for uvicorn, which would let the event loop accept.
        await super().startup(sockets=[])
        self._acceptor = Acceptor(self._listener, self._new_protocol)
        self._acceptor.start(self.config.backlog)
        collect_rarely()
        self._when_listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  As uvicorn's.
        self._service.readiness.drain()
        # Uvicorn's own would raise the signal again and kill us before MongoDB is stopped.
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        settings = self._service.settings
        await self._drain(settings.drain_s)
        await self._acceptor.stop()
        last_words_s = max(settings.shutdown_timeout_s - LAST_WORDS_S, 0)
        timer = asyncio.get_running_loop().call_later(
            last_words_s, self._service.end_long_responses
        )
        await super().shutdown(sockets)
        timer.cancel()

    def _new_protocol(self) -> asyncio.Protocol:
        protocol: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return protocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def _drain(self, drain_s: float) -> None:
        until_s = time.monotonic() + drain_s
        # Uvicorn itself waits like this: a second signal comes from outside the loop.
        while time.monotonic() < until_s and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_POLL_S)


async def serve_on(
    listener: socket.socket,
    settings: Settings,
    *,
    when_listening: Callable[[], None],
    demo: bool = False,
    metrics_folder: Path | None = None,
) -> None:
    """Serve until a signal says to stop, and the requests in flight have ended."""
    write_logs(settings.log_level)
    service = SessionService(settings, demo=demo, metrics_folder=metrics_folder)
    server = Server(server_config(service), listener, when_listening, service)
    await server.serve()
