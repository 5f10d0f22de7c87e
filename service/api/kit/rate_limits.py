"""Rate limits of a dialect: N requests a minute from one address, and as many with one token.

An address is counted before the token is checked, a token once it is known to be valid.
"""

from collections.abc import Collection
from hashlib import sha256
from ipaddress import IPv6Address, ip_network
from typing import Protocol

from starlette.requests import Request

from service.api.kit.client_address import Address, Network, client_address
from service.api.kit.errors import RateLimited

IPV6_NETWORK_BITS = 64


class Counts(Protocol):
    async def hit(self, per_minute: int, *who: str) -> int | None:
        """Count one for `who`; return None, or in how many seconds one would not be too many.

        Raises:
            StoreUnavailable: the counts cannot be reached.
        """
        ...


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
        self._requests_per_minute = requests_per_minute
        self._counts = counts
        self._trusted_proxies = trusted_proxies

    async def count_address(self, request: Request) -> None:
        """Count a request for the address that it comes from.

        Raises:
            RateLimited: that was one too many.
            StoreUnavailable: the counts cannot be reached.
        """
        address = client_address(request, self._trusted_proxies)
        await self._count("address", _neighbourhood(address))

    async def count_token(self, request: Request) -> None:
        """Count a request for its token, which must be a valid one.

        Raises:
            RateLimited: that was one too many.
            StoreUnavailable: the counts cannot be reached.
        """
        token = request.headers["authorization"].split()[-1]
        # Without the signature: some algorithms have more than one for the same token.
        signed = token.rpartition(".")[0]
        await self._count("token", sha256(signed.encode()).hexdigest())

    async def _count(self, kind: str, who: str) -> None:
        wait_s = await self._counts.hit(self._requests_per_minute, self._dialect, kind, who)
        if wait_s is not None:
            raise RateLimited(wait_s)


def _neighbourhood(address: Address | None) -> str:
    # One client usually has all addresses of such an IPv6 network to choose from.
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_NETWORK_BITS), strict=False))
    return str(address)
