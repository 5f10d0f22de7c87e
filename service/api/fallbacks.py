"""Answers for requests that reach no endpoint, and for our own mistakes."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

METHOD_NOT_ALLOWED = 405
ADVICE = {
    404: "There is no such path. The README lists them all.",
    405: "The path is there, but not for this method.",
}


# Where the other dialects live: their clients look for `detail`.
_DETAIL_PATHS = re.compile(r"/(api|session|user|sessions/[0-9a-fA-F-]{36})(/|$)|/sessions/?$")


async def _http_error(request: Request, error: HTTPException) -> Response:
    advice = ADVICE.get(error.status_code, error.detail)
    headers = dict(error.headers or {})
    if error.status_code == METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request)
    return _answer(request, error.status_code, error.detail, advice, headers)


def _allowed(request: Request) -> str:
    """Return the methods of the path: Starlette knows only those of the first route it met."""
    routes = [
        route for route in request.app.routes if route.matches(request.scope)[0] != Match.NONE
    ]
    return ", ".join(sorted({method for route in routes for method in route.methods}))


async def _unexpected_error(request: Request, _: Exception) -> Response:
    advice = "The service failed; this is not your fault."
    return _answer(request, 500, "Internal Server Error", advice)


def _answer(
    request: Request, status: int, text: str, advice: str, headers: Mapping[str, str] | None = None
) -> Response:
    is_detail = _DETAIL_PATHS.match(request.scope["path"])
    body = {"detail": text} if is_detail else {"message": text, "error": advice}
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


FALLBACKS: Mapping[Any, Any] = {HTTPException: _http_error, Exception: _unexpected_error}
