"""Work for a caller who may hang up before it is done, or whose process may end."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from service.api.kit.errors import CallerGone
from service.api.kit.parts import deadlines, use_cases
from service.domain.errors import ServiceStopping

Result = TypeVar("Result")


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return what the work returns; it is cancelled when the caller hangs up.

    The request's body must have been read. The work has a deadline of its own, the request none.

    Raises:
        CallerGone: the caller hung up; nobody gets the answer.
        ServiceStopping: this process cannot wait any longer.
    """
    deadlines(request).lift()
    time_is_up = use_cases(request).time_is_up
    working = asyncio.create_task(work)
    hanging_up = asyncio.create_task(_hangup(request))
    try:
        ends: set[asyncio.Future[Any]] = {working, hanging_up, time_is_up}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CallerGone if hanging_up.done() else ServiceStopping
        return working.result()
    finally:
        working.cancel()
        hanging_up.cancel()
        await asyncio.wait({working, hanging_up})


async def _hangup(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
