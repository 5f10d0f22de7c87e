"""Where a request comes from: the address behind the trusted proxies."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(request: Request, trusted: Collection[Network]) -> Address | None:
    """Return the client's address, or None if the connection has none (a Unix socket).

    `X-Forwarded-For` is read from its end, as long as each entry was written by a trusted proxy:
    the client itself may have written the beginning.
    """
    address = _parse(request.client.host) if request.client else None
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    for hop in reversed(hops):
        written = _parse(hop.strip())
        if written is None or not _is_in(address, trusted):
            break
        address = written
    return address


def _is_in(address: Address | None, networks: Collection[Network]) -> bool:
    return address is not None and any(address in network for network in networks)


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket for both families shows an IPv4 client as ::ffff:192.0.2.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
