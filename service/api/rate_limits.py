"""Rate limits: so many requests a minute from one address, and as many with one token."""

import time
from collections.abc import Callable, Collection
from functools import wraps
from hashlib import sha256
from ipaddress import IPv6Address, ip_network
from math import ceil

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.requests import Request
from starlette.responses import Response

from service.api.client_address import Address, Network, client_address
from service.api.context import Handler, endpoint
from service.api.errors import RateLimited
from service.domain.errors import DomainError

IPV6_NETWORK_BITS = 64


class RateLimits:
    """Counts in this process: several processes let through as many times more.

    A minute begins with the first request that is counted in it.
    """

    def __init__(self, requests_per_minute: int, trusted_proxies: Collection[Network]) -> None:
        self._limit = RateLimitItemPerMinute(requests_per_minute)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._trusted_proxies = trusted_proxies

    async def count_address(self, request: Request) -> None:
        """Count a request for the address it comes from.

        Raises:
            RateLimited: that was one too many.
        """
        address = client_address(request, self._trusted_proxies)
        await self._count("address", _neighbourhood(address))

    async def count_token(self, request: Request) -> None:
        """Count a request for its token, which must be a valid one.

        Raises:
            RateLimited: that was one too many.
        """
        token = request.headers["authorization"].split()[-1]
        # Without the signature: some algorithms have more than one for the same token.
        signed = token.rpartition(".")[0]
        await self._count("token", sha256(signed.encode()).hexdigest())

    async def _count(self, kind: str, who: str) -> None:
        if not await self._limiter.hit(self._limit, kind, who):
            window = await self._limiter.get_window_stats(self._limit, kind, who)
            raise RateLimited(max(1, ceil(window.reset_time - time.time())))


def _neighbourhood(address: Address | None) -> str:
    # One client usually has all addresses of such an IPv6 network to choose from.
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_NETWORK_BITS), strict=False))
    return str(address)


def limited_endpoint(handler: Handler, render: Callable[[DomainError], Response]) -> Handler:
    """Make an endpoint as `endpoint` does; count the address, check the token, count the token."""

    async def counted(request: Request) -> Response:
        await _limits(request).count_token(request)
        return await handler(request)

    authenticated = endpoint(counted, render)

    @wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            await _limits(request).count_address(request)
        except RateLimited as error:
            return render(error)
        return await authenticated(request)

    return answer


def _limits(request: Request) -> RateLimits:
    found: RateLimits = request.app.state.keyed_limits
    return found
