"""Server-sent events for a caller who may hang up before they end."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.api.kit.disconnects import while_connected
from service.api.kit.errors import CallerGone
from service.domain.errors import DomainError

Piece = TypeVar("Piece")
# Proxies must neither keep what is for one caller, nor gather it before they pass it on.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event(data: Any, name: str | None = None) -> bytes:
    """Return one event with JSON as its data."""
    named = f"event: {name}\n" if name else ""
    return b"%bdata: %b\n\n" % (named.encode(), orjson.dumps(data))


class EventStream(StreamingResponse):
    """Answers with one event a piece; `failed` makes the last one when the pieces break off.

    When the caller hangs up, the pieces are closed, wherever they are.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        first: Piece,
        others: AsyncGenerator[Piece, None],
        view: Callable[[Piece], bytes],
        failed: Callable[[DomainError], bytes],
    ) -> None:
        self._others = others
        super().__init__(_events(first, others, view, failed), headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._others):
            with suppress(ClientDisconnect):
                await super().__call__(scope, receive, send)


async def event_stream(
    request: Request,
    pieces: AsyncGenerator[Piece, None],
    view: Callable[[Piece], bytes],
    failed: Callable[[DomainError], bytes],
) -> EventStream:
    """Return the answer once there is a first piece, so that what fails before has its status.

    Raises:
        CallerGone: the caller hung up before.
    """
    connected = _while_connected(request, pieces)
    return EventStream(await anext(connected), connected, view, failed)


async def _while_connected(
    request: Request, pieces: AsyncGenerator[Piece, None]
) -> AsyncGenerator[Piece, None]:
    async with aclosing(pieces):
        while True:
            try:
                piece = await while_connected(request, _next(pieces))
            except StopAsyncIteration:
                return
            yield piece


async def _next(pieces: AsyncGenerator[Piece, None]) -> Piece:
    return await anext(pieces)


async def _events(
    first: Piece,
    others: AsyncGenerator[Piece, None],
    view: Callable[[Piece], bytes],
    failed: Callable[[DomainError], bytes],
) -> AsyncGenerator[bytes, None]:
    try:
        yield view(first)
        async for piece in others:
            yield view(piece)
    except CallerGone:
        return
    except DomainError as error:
        yield failed(error)
