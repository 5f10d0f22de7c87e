"""Work for a caller who may hang up before it is done."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from service.api.errors import CallerGone

Result = TypeVar("Result")


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return what the work returns; it is cancelled when the caller hangs up.

    The request's body must have been read.

    Raises:
        CallerGone: the caller hung up; nobody gets the answer.
    """
    working = asyncio.create_task(work)
    hanging_up = asyncio.create_task(_hangup(request))
    try:
        await asyncio.wait({working, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CallerGone
        return working.result()
    finally:
        working.cancel()
        hanging_up.cancel()
        await asyncio.wait({working, hanging_up})


async def _hangup(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
