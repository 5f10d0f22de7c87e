"""A cap on the requests in flight: what is beyond it gets a 503 at once, not a place in a queue."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.adaptive_limit import AdaptiveLimit
from service.api.errors import OUTCOME, UNCHANGED
from service.api.request_log import SHED

RETRY_AFTER_S = 1
BUSY = orjson.dumps(
    {
        "message": "Service Unavailable",
        "error": "The service is busy. Try again in a moment.",
        "detail": "The service is busy. Try again in a moment.",
    }
)
JSON = {"content-type": "application/json"}
BUSY_HEADERS = JSON | {"retry-after": str(RETRY_AFTER_S), OUTCOME.lower(): UNCHANGED}
# Whoever asks for the health of a busy process must not take it for a dead one.
ALWAYS_ANSWERED = frozenset({"/livez", "/readyz", "/metrics", "/health"})
# What waits for a model, or sends a whole session, takes its time without any overload.
_SLOW = re.compile(r"/chat(/|$)|/(suggestions|export)$")


class InFlight:
    """Counts the requests of a process: all of them, and those that should be answered quickly."""

    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self._requests = 0
        self._quick = AdaptiveLimit()

    @property
    def is_full(self) -> bool:
        """Whether there are paths for which a request would be one too many."""
        return self._quick.is_reached or self._requests >= self._max_requests

    def is_full_for(self, path: str) -> bool:
        """Say whether a request to this path would be one too many."""
        if path in ALWAYS_ANSWERED:
            return False
        return self._requests >= self._max_requests or (
            self._quick.is_reached and not _SLOW.search(path)
        )

    def learn(self, took_s: float) -> None:
        """Take note of how long an answer took, without the time of its client or a model."""
        self._quick.learn(took_s)

    @contextmanager
    def request(self, path: str) -> Iterator[None]:
        """Count a request while it is answered."""
        if path in ALWAYS_ANSWERED:
            yield
            return
        self._requests += 1
        try:
            if _SLOW.search(path):
                yield
            else:
                with self._quick.request():
                    yield
        finally:
            self._requests -= 1


class InFlightCap:
    """Counts requests, and refuses those beyond the cap that no connection has refused before."""

    def __init__(self, app: ASGIApp, *, in_flight: InFlight) -> None:
        self._app = app
        self._in_flight = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._in_flight.is_full_for(scope["path"]):
            scope[SHED] = True
            await Response(BUSY, 503, BUSY_HEADERS)(scope, receive, send)
        else:
            with self._in_flight.request(scope["path"]):
                await self._app(scope, receive, send)
