"""Server-sent events for a client that may disconnect before they end."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.kit.disconnects import Relay
from service.api.kit.errors import CallerGone
from service.api.kit.parts import deadlines, parts
from service.domain.errors import DomainError

Piece = TypeVar("Piece")
# Proxies cut connections that are silent for a minute, some sooner.
KEEP_ALIVE_S = 15
# Every parser skips a line that begins with a colon.
KEEP_ALIVE = b": keep-alive\n\n"
# Proxies must neither store what is for one client, nor buffer it before they pass it on.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event(data: Any, name: str | None = None) -> bytes:
    """Return one event with JSON as its data."""
    named = f"event: {name}\n" if name else ""
    return b"%bdata: %b\n\n" % (named.encode(), orjson.dumps(data))


class EventStream(Response):
    """A response of events as they come; when it has ended, nothing is left of their making."""

    media_type = "text/event-stream"

    def __init__(self, relay: Relay[Any], events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._relay = relay
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        async with aclosing(self._relay), aclosing(self._events):
            status = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **status})
            async for data in self._events:
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def event_stream(
    request: Request,
    pieces: AsyncGenerator[Piece, None],
    view: Callable[[Piece], bytes],
    failed: Callable[[DomainError], bytes],
) -> EventStream:
    """Return the response once there is a first piece, so that an earlier failure has its status.

    After `keep_alive_s` without one, the response begins all the same, with a comment, as after
    any such silence. `failed` makes the last event if the pieces break off.

    Raises:
        CallerGone: the client disconnected before.
        ServiceStopping: this process cannot wait any longer.
        DomainError: what the pieces raise before the first one.
    """
    deadlines(request).lift()
    silence_s = parts(request).keep_alive_s
    relay = Relay(request, pieces)
    try:
        first = await relay.next(silence_s)
    except BaseException:
        await relay.aclose()
        raise
    return EventStream(relay, _events(relay, first, silence_s, view, failed))


async def _events(
    relay: Relay[Piece],
    piece: Piece | None,
    silence_s: float,
    view: Callable[[Piece], bytes],
    failed: Callable[[DomainError], bytes],
) -> AsyncGenerator[bytes, None]:
    try:
        while True:
            yield KEEP_ALIVE if piece is None else view(piece)
            piece = await relay.next(silence_s)
    except (CallerGone, StopAsyncIteration):
        return
    except DomainError as error:
        yield failed(error)
