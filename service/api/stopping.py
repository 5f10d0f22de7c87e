"""How requests get their answers from a process that is ending: a pure ASGI middleware."""

import asyncio

import orjson
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.domain.errors import ServiceStopping
from service.observability.health import Readiness

STOPPING = orjson.dumps(
    {
        "message": "Service Unavailable",
        "error": str(ServiceStopping()),
        "detail": str(ServiceStopping()),
    }
)


class LastAnswers:
    """Closes connections with the answers of a draining process, so that clients go elsewhere.

    A connection closed without one would cost whoever just sends on it a request. Whom the
    server cancels, because the time to stop is over, still gets an answer in JSON.
    """

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def send_last(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                if self._readiness.is_draining:
                    MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, send_last)
        except asyncio.CancelledError:
            if has_started or not self._readiness.is_draining:
                raise
            headers = {"Retry-After": str(ServiceStopping.retry_after_s)}
            stopping = Response(STOPPING, 503, headers, media_type="application/json")
            await stopping(scope, receive, send_last)
