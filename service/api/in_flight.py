"""A cap on the requests in flight: what is beyond it gets a 503 at once, not a place in a queue."""

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.errors import OUTCOME, UNCHANGED

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


class InFlightCap:
    """Counts in this process."""

    def __init__(self, app: ASGIApp, *, max_requests: int) -> None:
        self._app = app
        self._max_requests = max_requests
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ALWAYS_ANSWERED:
            await self._app(scope, receive, send)
        elif self._requests >= self._max_requests:
            headers = {"Retry-After": str(RETRY_AFTER_S), OUTCOME: UNCHANGED}
            busy = Response(BUSY, 503, headers, media_type="application/json")
            await busy(scope, receive, send)
        else:
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._requests += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._requests -= 1
