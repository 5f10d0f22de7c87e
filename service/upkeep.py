"""What the service does besides serving requests: prepares the store, then keeps sweeping it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from config.settings import Settings
from service.domain.errors import StoreUnavailable
from service.domain.models import utc_now
from service.domain.ports import ServedStore
from service.observability.watching import measured_sweep

PREPARE_PAUSE_S = 1
CANCEL_AGAIN_S = 1
CATCH_UP_PAUSE_S = 1

logger = logging.getLogger(__name__)


@asynccontextmanager
async def upkeep(store: ServedStore, settings: Settings) -> AsyncIterator[None]:
    """Prepare the store, immediately if the database is up; sweep it from then on."""
    with suppress(StoreUnavailable):
        await store.prepare()
    async with background(_prepare_and_sweep(store, settings)), background(_catch_up(store)):
        yield


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        while not task.done():
            # PyMongo's async API may lose a cancellation that coincides with the end of a call.
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_AGAIN_S)


async def _prepare_and_sweep(store: ServedStore, settings: Settings) -> None:
    while not store.is_prepared:
        await _unless_away(store.prepare())
        await asyncio.sleep(PREPARE_PAUSE_S)
    grace = timedelta(seconds=settings.delete_grace_s)
    while True:
        await _unless_away(measured_sweep(store, begun_before=utc_now() - grace))
        await asyncio.sleep(settings.sweep_interval_s)


async def _catch_up(store: ServedStore) -> None:
    while True:
        await _unless_away(store.catch_up())
        await asyncio.sleep(CATCH_UP_PAUSE_S)


async def _unless_away(call: Awaitable[Any]) -> None:
    try:
        await call
    except StoreUnavailable as error:
        logger.warning("upkeep waits: %s", error)
