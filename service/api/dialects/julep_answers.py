"""How the Julep dialect answers: bodies, and errors as `{"detail": …}`, but 422 in its own shape.

What is somebody else's is not there.
"""

from typing import Any

import orjson
from starlette.responses import Response

from service.api.context import DialectEndpoint, Handler
from service.api.errors import MalformedBody, headers_of, status_of
from service.domain.errors import DomainError, InvalidInput, SessionForeign, SessionNotFound

UNPROCESSABLE = 422


def julep(handler: Handler) -> Handler:
    """Make an endpoint of this dialect."""
    return DialectEndpoint(handler, render)


def render(error: DomainError) -> Response:
    if isinstance(error, SessionNotFound | SessionForeign):
        return reply({"detail": "Session not found"}, 404)
    if isinstance(error, InvalidInput | MalformedBody):
        message = " ".join(str(error).split())
        body = {"status_code": UNPROCESSABLE, "message": message, "data": None}
        return reply(body, UNPROCESSABLE)
    return reply({"detail": str(error)}, status_of(error), headers_of(error))


def reply(
    body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(encoded(body), status, headers, media_type="application/json")


def encoded(body: Any) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_UTC_Z)
