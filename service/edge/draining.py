"""How requests get their responses from a process that is ending: a pure ASGI middleware."""

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.kit.router import Router
from service.domain.errors import ServiceStopping
from service.observability.health import Readiness


class LastResponses:
    """Closes connections with the responses of a draining process, so that clients go elsewhere.

    Closing a connection silently would lose a request that is already on the wire. Requests that
    the server cancels, because the time to stop is over, still get a JSON response.
    """

    def __init__(self, app: ASGIApp, readiness: Readiness, router: Router) -> None:
        self._app = app
        self._router = router
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
            response = self._router.dialect_of(scope["path"]).render_error(ServiceStopping())
            await response(scope, receive, send_last)
