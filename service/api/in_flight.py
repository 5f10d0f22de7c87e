"""A cap on the requests in flight: what is beyond it gets a 503 at once, not a place in a queue."""

import re

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
# Whoever asks for the health of a busy process must not take it for a dead one.
ALWAYS_ANSWERED = frozenset({"/livez", "/readyz", "/metrics", "/health"})
# What waits for a model, or sends a whole session, takes its time without any overload.
_SLOW = re.compile(r"/chat(/|$)|/(suggestions|export)$")


class InFlightCap:
    """Counts in this process: all requests, and those that should be answered quickly."""

    def __init__(self, app: ASGIApp, *, max_requests: int) -> None:
        self._app = app
        self._max_requests = max_requests
        self._requests = 0
        self._quick = AdaptiveLimit()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ALWAYS_ANSWERED:
            await self._app(scope, receive, send)
            return
        is_quick = not _SLOW.search(scope["path"])
        if self._requests >= self._max_requests or (is_quick and self._quick.is_reached):
            scope[SHED] = True
            headers = {"Retry-After": str(RETRY_AFTER_S), OUTCOME: UNCHANGED}
            busy = Response(BUSY, 503, headers, media_type="application/json")
            await busy(scope, receive, send)
        elif is_quick:
            with self._quick.request():
                await self._counted(scope, receive, send)
        else:
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._requests += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._requests -= 1
