"""Counts of requests a minute: in this process, and in a database for all processes together."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, MongoDBStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError

from service.domain.errors import StoreUnavailable

COLLECTION = "rate_limits"
# In addition to the store's own; a count takes one for about a millisecond.
CONNECTIONS = 10


class RateCounts:
    """Counts in this process, and while `shared` is open also in a database, for all processes.

    A minute begins with the first request that is counted in it. What this process alone finds
    too much never gets to the database.
    """

    def __init__(self) -> None:
        self._limiters = [FixedWindowRateLimiter(MemoryStorage())]

    @asynccontextmanager
    async def shared(self, mongo_url: str, database: str, timeout_s: float) -> AsyncIterator[None]:
        storage = MongoDBStorage(
            f"async+{mongo_url}",
            database_name=database,
            counter_collection_name=COLLECTION,
            window_collection_name=COLLECTION,
            wrap_exceptions=True,
            appname="session-service",
            w=1,
            maxPoolSize=CONNECTIONS,
            # The URL's may be above that.
            minPoolSize=0,
            timeoutMS=int(timeout_s * 1000),
            serverSelectionTimeoutMS=int(timeout_s * 1000),
        )
        self._limiters.append(FixedWindowRateLimiter(storage))
        try:
            yield
        finally:
            self._limiters.pop()
            storage.storage.close()

    async def hit(self, per_minute: int, *who: str) -> int | None:
        """Count one for `who`; return None, or after how many seconds one would not be too many.

        Raises:
            StoreUnavailable: the shared counts cannot be reached.
        """
        limit = RateLimitItemPerMinute(per_minute)
        try:
            for limiter in self._limiters:
                if not await limiter.hit(limit, *who):
                    window = await limiter.get_window_stats(limit, *who)
                    return max(1, ceil(window.reset_time - time.time()))
        except StorageError:
            # The cause may carry what identifies the caller.
            raise StoreUnavailable from None
        return None
