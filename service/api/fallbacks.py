"""Answers for requests that reach no endpoint, and for our own mistakes."""

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


async def _http_error(_: Request, error: HTTPException) -> Response:
    advice = ADVICE.get(error.status_code, error.detail)
    return _answer(error.status_code, error.detail, advice, error.headers)


async def _unexpected_error(_: Request, __: Exception) -> Response:
    return _answer(500, "Internal Server Error", "The service failed; this is not your fault.")


def _answer(
    status: int, message: str, error: str, headers: Mapping[str, str] | None = None
) -> Response:
    body = orjson.dumps({"message": message, "error": error})
    return Response(body, status, headers, media_type="application/json")


FALLBACKS: Mapping[Any, Any] = {HTTPException: _http_error, Exception: _unexpected_error}
