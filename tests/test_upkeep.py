"""Background work of the service ends with it."""

import asyncio
from contextlib import suppress

from service.upkeep import background

DEADLINE_S = 10


async def test_work_that_swallows_a_cancellation_is_cancelled_again() -> None:
    async def work() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    async with asyncio.timeout(DEADLINE_S), background(work()):
        await asyncio.sleep(0)
