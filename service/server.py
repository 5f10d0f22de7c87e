"""How uvicorn serves the application, and how it stops: in steps, each within its time."""

import asyncio
import socket
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from config.garbage import collect_rarely
from config.settings import Settings
from service.accepting import Acceptor
from service.api.protocol import ReceiveLimits, limited_protocol

DRAIN_POLL_S = 0.05
# So long before they would be cancelled, chats and streams get their last words.
LAST_WORDS_S = 1
# Longer than balancers keep an idle connection (60 s), so that they never use one that is closing.
KEEP_ALIVE_S = 75


def server_config(app: Starlette, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=limited_protocol(_receive_limits(settings), app.state.shedding),
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
    """Ends in steps: goes on taking requests, then only finishes them, then cuts them short."""

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        when_listening: Callable[[], None],
        app: Starlette,
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._when_listening = when_listening
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        # No sockets for uvicorn, which would let the event loop accept.
        await super().startup(sockets=[])
        self._acceptor = Acceptor(self._listener, self._new_protocol)
        self._acceptor.start(self.config.backlog)
        collect_rarely()
        self._when_listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  As uvicorn's.
        self._app.state.readiness.drain()
        # Uvicorn's own would raise the signal again and kill us before MongoDB is stopped.
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        settings: Settings = self._app.state.settings
        await self._drain(settings.drain_s)
        await self._acceptor.stop()
        last_words_s = max(settings.shutdown_timeout_s - LAST_WORDS_S, 0)
        timer = asyncio.get_running_loop().call_later(last_words_s, self._end_long_answers)
        await super().shutdown(sockets)
        timer.cancel()

    def _new_protocol(self) -> asyncio.Protocol:
        protocol: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return protocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def _drain(self, drain_s: float) -> None:
        until_s = time.monotonic() + drain_s
        # As uvicorn waits itself: a second signal comes from outside of the loop.
        while time.monotonic() < until_s and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_POLL_S)

    def _end_long_answers(self) -> None:
        time_is_up: asyncio.Future[None] = self._app.state.time_is_up
        time_is_up.set_result(None)
