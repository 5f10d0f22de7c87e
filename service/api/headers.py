"""The headers of every answer, also of those to our own mistakes: a pure ASGI middleware."""

import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.observability.logs import REQUEST_ID

# What may stand in a log and in a header without further thought.
_SHORT_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,64}")


class StandardHeaders:
    """Gives each request an id: the client's `X-Request-Id` if it is a short token, else a new one.

    Nothing that is answered may be kept by anybody on the way, unless the answer says so.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id", ""))
        REQUEST_ID.set(request_id)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _request_id(given: str) -> str:
    return given if _SHORT_TOKEN.fullmatch(given) else uuid4().hex
