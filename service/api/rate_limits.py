"""Rate limits of a dialect: so many requests a minute from one address, and as many with one token.

An address is counted before its token is looked at, a token once it is known to be valid.
"""

import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from functools import wraps
from hashlib import sha256
from ipaddress import IPv6Address, ip_network
from math import ceil

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, MongoDBStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from starlette.requests import Request
from starlette.responses import Response

from service.api.client_address import Address, Network, client_address
from service.api.context import DialectEndpoint, Handler
from service.api.errors import RateLimited
from service.domain.errors import StoreUnavailable

IPV6_NETWORK_BITS = 64
COLLECTION = "rate_limits"
# Beside the store's own; a count takes one for about a millisecond.
CONNECTIONS = 10


class Counts:
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

    async def hit(self, limit: RateLimitItemPerMinute, *who: str) -> None:
        """Count one for `who`.

        Raises:
            RateLimited: that was one too many.
            StoreUnavailable: the shared counts cannot be reached.
        """
        try:
            for limiter in self._limiters:
                if not await limiter.hit(limit, *who):
                    window = await limiter.get_window_stats(limit, *who)
                    raise RateLimited(max(1, ceil(window.reset_time - time.time())))
        except StorageError:
            # The cause may carry what identifies the caller.
            raise StoreUnavailable from None


class RateLimits:
    """The limit of one dialect. Each dialect has counts of its own."""

    def __init__(
        self,
        dialect: str,
        requests_per_minute: int,
        counts: Counts,
        trusted_proxies: Collection[Network],
    ) -> None:
        self._dialect = dialect
        self._limit = RateLimitItemPerMinute(requests_per_minute)
        self._counts = counts
        self._trusted_proxies = trusted_proxies

    async def count_address(self, request: Request) -> None:
        """Count a request for the address it comes from.

        Raises:
            RateLimited: that was one too many.
            StoreUnavailable: the shared counts cannot be reached.
        """
        address = client_address(request, self._trusted_proxies)
        await self._counts.hit(self._limit, self._dialect, "address", _neighbourhood(address))

    async def count_token(self, request: Request) -> None:
        """Count a request for its token, which must be a valid one.

        Raises:
            RateLimited: that was one too many.
            StoreUnavailable: the shared counts cannot be reached.
        """
        token = request.headers["authorization"].split()[-1]
        # Without the signature: some algorithms have more than one for the same token.
        signed = token.rpartition(".")[0]
        digest = sha256(signed.encode()).hexdigest()
        await self._counts.hit(self._limit, self._dialect, "token", digest)


def rate_limits(
    requests_per_minute: Mapping[str, int | None],
    counts: Counts,
    trusted_proxies: Collection[Network],
) -> dict[str, RateLimits]:
    """Return the limits of the dialects that have one."""
    return {
        dialect: RateLimits(dialect, number, counts, trusted_proxies)
        for dialect, number in requests_per_minute.items()
        if number is not None
    }


def limited(handler: Handler, limits: RateLimits | None) -> Handler:
    """Return the endpoint behind the limits; without limits, or open to everybody, as it is."""
    if limits is None or not isinstance(handler, DialectEndpoint):
        return handler
    endpoint = handler

    async def counted(request: Request) -> Response:
        await limits.count_token(request)
        return await endpoint.handler(request)

    authenticated = DialectEndpoint(counted, endpoint.render)

    @wraps(endpoint.handler)
    async def answer(request: Request) -> Response:
        try:
            await limits.count_address(request)
        except (RateLimited, StoreUnavailable) as error:
            return endpoint.render(error)
        return await authenticated(request)

    return answer


def _neighbourhood(address: Address | None) -> str:
    # One client usually has all addresses of such an IPv6 network to choose from.
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_NETWORK_BITS), strict=False))
    return str(address)
