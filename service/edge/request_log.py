"""A log line for each request, by the template of its path: a pure ASGI middleware."""

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.signals import template_in

SERVER_ERROR = 500
# Whether a request was shed: an entry of its scope.
SHED = "session_service.shed"

logger = logging.getLogger(__name__)


class RequestLog:
    """Logs requests at level info, and those that the service failed to serve as warnings.

    A busy process only counts what it sheds, in its metrics: a line for each would keep it busy.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = perf_counter()
        status = SERVER_ERROR

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            _log(scope, status, perf_counter() - began_s)


def _log(scope: Scope, status: int, duration_s: float) -> None:
    is_failure = status >= SERVER_ERROR and not scope.get(SHED)
    level = logging.WARNING if is_failure else logging.INFO
    if logger.isEnabledFor(level):
        fields = {
            "method": scope["method"],
            "route": template_in(scope),
            "status": status,
            "duration_ms": round(duration_s * 1000, 3),
        }
        logger.log(level, "request served", extra=fields)
