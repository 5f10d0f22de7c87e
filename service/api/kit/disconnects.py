"""Work for a client that may disconnect before it is done, or whose process may end."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from starlette.requests import Request

from service.api.kit.errors import CallerGone
from service.api.kit.parts import deadlines, use_cases
from service.domain.errors import ServiceStopping

Result = TypeVar("Result")
Piece = TypeVar("Piece")


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return what the work returns; it is cancelled when the client disconnects.

    The request's body must have been read. The work has its own deadline, the request has none.

    Raises:
        CallerGone: the client has disconnected, so it cannot get the response.
        ServiceStopping: this process cannot wait any longer.
    """
    deadlines(request).lift()
    time_is_up = use_cases(request).time_is_up
    working = asyncio.create_task(work)
    disconnecting = asyncio.create_task(_disconnected(request))
    try:
        ends: set[asyncio.Future[Any]] = {working, disconnecting, time_is_up}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CallerGone if disconnecting.done() else ServiceStopping
        return working.result()
    finally:
        working.cancel()
        disconnecting.cancel()
        await asyncio.wait({working, disconnecting})


class Relay(Generic[Piece]):
    """Hands over pieces, one at a time, from the one task in which they are made.

    One task, because only the task in which a generator opened something (a timeout, a
    connection) may close it.
    """

    def __init__(self, request: Request, pieces: AsyncGenerator[Piece, None]) -> None:
        self._ready: asyncio.Queue[Piece] = asyncio.Queue(maxsize=1)
        # Set whenever there may be something new.
        self._news = asyncio.Event()
        self._time_is_up = use_cases(request).time_is_up
        self._making = asyncio.create_task(self._make(pieces))
        self._disconnecting = asyncio.create_task(_disconnected(request))
        for end in (self._making, self._disconnecting, self._time_is_up):
            end.add_done_callback(self._tell)

    async def next(self, silence_s: float) -> Piece | None:
        """Return the next piece, or None after `silence_s` without one.

        Raises:
            StopAsyncIteration: there are no more pieces.
            CallerGone: the client has disconnected.
            ServiceStopping: this process cannot wait any longer.
            DomainError: the pieces raised it.
        """
        while True:
            self._news.clear()
            if self._disconnecting.done():
                raise CallerGone
            if not self._ready.empty():
                return self._ready.get_nowait()
            if self._making.done():
                self._making.result()
                raise StopAsyncIteration
            if self._time_is_up.done():
                raise ServiceStopping
            try:
                async with asyncio.timeout(silence_s):
                    await self._news.wait()
            except TimeoutError:
                return None

    async def aclose(self) -> None:
        """End the making of pieces, wherever it is; return once nothing of it is left."""
        self._time_is_up.remove_done_callback(self._tell)
        self._making.cancel()
        self._disconnecting.cancel()
        await asyncio.wait({self._making, self._disconnecting})
        if not self._making.cancelled():
            # No one needs an error that was raised after the last check.
            self._making.exception()

    async def _make(self, pieces: AsyncGenerator[Piece, None]) -> None:
        async with aclosing(pieces):
            async for piece in pieces:
                await self._ready.put(piece)
                self._news.set()

    def _tell(self, _: asyncio.Future[None]) -> None:
        self._news.set()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
