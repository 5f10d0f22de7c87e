"""Answers for requests that reach no endpoint, and for our own mistakes."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

ADVICE = {
    404: "There is no such path. The README lists them all.",
    405: "The path is there, but not for this method.",
}


# Where the other dialects live: their clients look for `detail`.
_DETAIL_PATHS = re.compile(r"/(api|session|user|sessions/[0-9a-fA-F-]{36})(/|$)|/sessions/?$")


async def _http_error(request: Request, error: HTTPException) -> Response:
    advice = ADVICE.get(error.status_code, error.detail)
    return _answer(request, error.status_code, error.detail, advice, error.headers)


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
