"""Answers for requests that reach no endpoint, and for our own mistakes."""

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

ADVICE = {
    404: "There is no such path. The README lists them all.",
    405: "The path is there, but not for this method.",
}
# The clients of the others look for `detail`.
DIALECTS_WITH_MESSAGE = frozenset({"native", "ops"})


class Fallbacks:
    """Answers in the shape of the dialect whose paths are most like the one that was asked for.

    `dialects` gives the dialect of each path of the route table.
    """

    def __init__(self, dialects: Mapping[str, str]) -> None:
        self._dialects = dialects

    @property
    def handlers(self) -> Mapping[Any, Any]:
        """Return what Starlette wants: who answers which exception."""
        return {HTTPException: self._http_error, Exception: self._unexpected_error}

    async def _http_error(self, request: Request, error: HTTPException) -> Response:
        advice = ADVICE.get(error.status_code, error.detail)
        return self._answer(request, error.status_code, error.detail, advice, error.headers)

    async def _unexpected_error(self, request: Request, _: Exception) -> Response:
        advice = "The service failed; this is not your fault."
        return self._answer(request, 500, "Internal Server Error", advice)

    def _answer(
        self,
        request: Request,
        status: int,
        text: str,
        advice: str,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        dialect = nearest_dialect(request.scope["path"], self._dialects)
        has_message = dialect in DIALECTS_WITH_MESSAGE
        body = {"message": text, "error": advice} if has_message else {"detail": text}
        return Response(orjson.dumps(body), status, headers, media_type="application/json")


def nearest_dialect(path: str, dialects: Mapping[str, str]) -> str:
    """Return the dialect of the path in the table that begins most like this one."""
    asked = path.split("/")[1:]
    nearest = max(dialects, key=lambda template: _likeness(template.split("/")[1:], asked))
    return dialects[nearest]


def _likeness(template: list[str], asked: list[str]) -> tuple[int, int, int]:
    """Rank by how many parts are alike from the beginning on, then by how many are the same."""
    pairs = zip(template, asked, strict=False)
    alike = list(takewhile(lambda pair: pair[0] == pair[1] or pair[0].startswith("{"), pairs))
    return len(alike), sum(ours == theirs for ours, theirs in alike), -len(template)
