"""Whether this process should get requests."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Protocol

from service.domain.errors import StoreUnavailable

PING_TIMEOUT_S = 1
PING_INTERVAL_S = 2
# Longer than an election: one hiccup of the database must not take every replica out.
FAILING_AFTER_S = 15

logger = logging.getLogger(__name__)


class Store(Protocol):
    is_prepared: bool

    async def ping(self) -> None: ...


class Readiness:
    """Pings the database all the time, so that no one who checks readiness has to wait for it.

    A process is not ready while it is stopping, until the indexes exist, and when pings have
    failed for 15 seconds, or have never succeeded. `details` has sentences about the database
    for operators; ready processes may have some, too.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._failing_since_s: float | None = -math.inf
        self._is_prepared = False
        self._is_draining = False
        self.details: Callable[[], list[str]] = list

    def drain(self) -> None:
        """Take note that the process is stopping."""
        self._is_draining = True

    @property
    def is_draining(self) -> bool:
        return self._is_draining

    def failed(self) -> list[str]:
        """Return the checks that failed; the process is ready if there are none."""
        since_s = self._failing_since_s
        checks = {
            "mongodb": since_s is None or self._now_s() - since_s < FAILING_AFTER_S,
            "indexes": self._is_prepared,
            "draining": not self._is_draining,
        }
        return [check for check, is_passed in checks.items() if not is_passed]

    async def watch(self, store: Store) -> None:
        """Ping the database until this is cancelled."""
        while True:
            await self.check(store)
            await asyncio.sleep(PING_INTERVAL_S)

    async def check(self, store: Store) -> None:
        began_s = self._now_s()
        try:
            async with asyncio.timeout(PING_TIMEOUT_S):
                await store.ping()
        except (TimeoutError, StoreUnavailable):
            if self._failing_since_s is None:
                why = "".join(f": {detail}" for detail in self.details())
                logger.warning("the database did not respond to a ping%s", why)
                self._failing_since_s = began_s
        else:
            self._failing_since_s = None
        self._is_prepared = store.is_prepared
