"""The headers of every response, even for our own mistakes: a pure ASGI middleware."""

import os
import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.kit.errors import OUTCOME, SERVER_ERROR, UNKNOWN
from service.observability.logs import REQUEST_ID

# What is safe in a log and in a header without escaping.
_SHORT_TOKEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_ID_BYTES = 16

Header = tuple[bytes, bytes]
NOSNIFF = (b"x-content-type-options", b"nosniff")
OUTCOME_HEADER = OUTCOME.lower().encode()
NO_STORE = (b"cache-control", b"no-store")


class StandardHeaders:
    """Gives each request an id: the client's `X-Request-Id` if it is a short token, else a new one.

    No one on the way may store a response, unless the response allows it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_in(scope["headers"])
        REQUEST_ID.set(request_id.decode())

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _completed(message["headers"], request_id)
                if message["status"] >= SERVER_ERROR:
                    _leave_open(message["headers"])
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _completed(headers: Iterable[Header], request_id: bytes) -> list[Header]:
    complete = [*headers, (b"x-request-id", request_id), NOSNIFF]
    if all(name != b"cache-control" for name, _ in complete):
        complete.append(NO_STORE)
    return complete


def _leave_open(headers: list[Header]) -> None:
    """Say that the outcome is unknown, unless the response states it: this is a mistake of ours."""
    if all(name != OUTCOME_HEADER for name, _ in headers):
        headers.append((OUTCOME_HEADER, UNKNOWN.encode()))


def request_id_in(headers: Iterable[Header]) -> bytes:
    """Return the id that the client gave the request, if it is a short token, else a new one."""
    for name, value in headers:
        if name == b"x-request-id":
            return usable_request_id(value)
    return new_request_id()


def usable_request_id(value: bytes) -> bytes:
    """Return the client's name for the request, if it is a short token, else a new id."""
    return value if _SHORT_TOKEN.fullmatch(value) else new_request_id()


def new_request_id() -> bytes:
    return os.urandom(_ID_BYTES).hex().encode()
