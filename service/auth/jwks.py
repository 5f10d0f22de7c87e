"""The key set of an issuer, fetched over HTTP: kept fresh, and still used if the issuer is down."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from ssl import SSLContext
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import httpx2

from service.auth.algorithms import Family
from service.auth.errors import ConfigurationError, KeysUnavailable, Reason, refused
from service.auth.jwk import parse_key_set
from service.auth.keys import Key

FRESH_S = 10 * 60
USABLE_S = 24 * 60 * 60
UNKNOWN_KID_PAUSE_S = 60
RETRY_PAUSE_S = 5
FETCH_TIMEOUT_S = 3
MAX_BYTES = 1024 * 1024
_VARIABLE = "SESSIONS_JWKS_URL"

logger = logging.getLogger(__name__)


class OnFetch(Protocol):
    def __call__(self, *, fetched: bool) -> None: ...


def unwatched(*, fetched: bool) -> None:
    pass


class _Fetched(NamedTuple):
    keys: tuple[Key, ...]
    at_s: float


class JwksKeys:
    """Keys of one family from one URL. `clock` returns seconds that never go back.

    A set is fresh for 10 minutes. The first caller to find it stale fetches it again while
    the others go on with it; it serves for 24 hours if the issuer is down. An unknown
    `kid` causes at most one fetch a minute, however many callers send one. Each fetch is
    reported to `on_fetch`.
    """

    def __init__(
        self,
        url: str,
        family: Family,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_fetch: OnFetch = unwatched,
    ) -> None:
        self._on_fetch = on_fetch
        self._url = checked_url(url)
        # Made once, because reading the certificates of all authorities takes tens of milliseconds.
        self._tls = httpx2.create_ssl_context()
        self._family = family
        self._clock = clock
        self._fetched: _Fetched | None = None
        self._fetching = asyncio.Lock()
        self._next_try_s = self._next_unknown_kid_s = float("-inf")

    async def candidates(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        fetched = await self._current()
        key = _choose(fetched.keys, kid, algorithm)
        if key is None:
            key = _choose((await self._newer_than(fetched)).keys, kid, algorithm)
        if key is None:
            raise refused(Reason.UNKNOWN_KEY)
        return (key,)

    async def _current(self) -> _Fetched:
        """Return a usable key set; refresh it when due, unless a refresh is already running."""
        usable = self._usable()
        if usable is not None and (self._is_fresh(usable) or self._fetching.locked()):
            return usable
        async with self._fetching:
            usable = self._usable()
            if (usable is None or not self._is_fresh(usable)) and self._clock() >= self._next_try_s:
                await self._fetch()
                usable = self._usable()
        if usable is None:
            raise KeysUnavailable
        return usable

    async def _newer_than(self, known: _Fetched) -> _Fetched:
        """Return a set that may have a `kid` that this one lacks, or the same set again."""
        async with self._fetching:
            if self._fetched is known and self._clock() >= self._next_unknown_kid_s:
                self._next_unknown_kid_s = self._clock() + UNKNOWN_KID_PAUSE_S
                await self._fetch()
        return self._usable() or known

    def _usable(self) -> _Fetched | None:
        if self._fetched is None or self._clock() - self._fetched.at_s >= USABLE_S:
            return None
        return self._fetched

    def _is_fresh(self, fetched: _Fetched) -> bool:
        return self._clock() - fetched.at_s < FRESH_S

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                encoded = await _download(self._url, self._tls)
            self._fetched = _Fetched(parse_key_set(encoded, self._family), self._clock())
            self._on_fetch(fetched=True)
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            self._next_try_s = self._clock() + RETRY_PAUSE_S
            logger.warning("key set not fetched: %s", type(error).__name__)
            self._on_fetch(fetched=False)


def checked_url(url: str) -> httpx2.URL:
    """Return the URL of a key set.

    Raises:
        ConfigurationError: an attacker on the network could replace the keys in the response.
    """
    try:
        host = urlsplit(url).hostname or ""
        checked = httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        raise ConfigurationError(_VARIABLE, "must be a URL.") from None
    is_safe = checked.scheme == "https" or (checked.scheme == "http" and _is_loopback(host))
    if not host or not is_safe:
        raise ConfigurationError(
            _VARIABLE, "must be an https:// URL; http:// is for this machine only."
        )
    return checked


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _choose(keys: tuple[Key, ...], kid: str | None, algorithm: str) -> Key | None:
    """Return the key of that name; for a token that names none, the only key that fits."""
    fitting = [key for key in keys if key.fits(algorithm) and kid in (None, key.kid)]
    return fitting[0] if len(fitting) == 1 else None


async def _download(url: httpx2.URL, tls: SSLContext) -> bytes:
    # A proxy from the environment must not come between us and our own machine.
    uses_proxy = url.scheme == "https"
    async with (
        httpx2.AsyncClient(verify=tls, follow_redirects=False, trust_env=uses_proxy) as client,
        client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
    ):
        if response.status_code != httpx2.codes.OK:
            raise ValueError("the response is not 200")
        body = bytearray()
        # Raw, so that a small compressed response cannot become a large one.
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ValueError("the response is too large")
    return bytes(body)
