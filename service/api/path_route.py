"""Routes by path: the first path that matches is the one that is meant, whatever the method."""

import re
from collections.abc import Mapping

from starlette.convertors import PathConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.api.context import Handler


class AnyText(PathConvertor):
    """Takes all characters; Starlette's own stops at a newline."""

    regex = "(?s:.*)"


register_url_convertor("path", AnyText())
register_url_convertor("key", AnyText())


class PathRoute(Route):
    """One path with the handler of each of its methods; another method is 405."""

    def __init__(self, path: str, handlers: Mapping[str, Handler]) -> None:
        super().__init__(path, self._answer)
        self.handlers = {"HEAD": handlers["GET"], **handlers} if "GET" in handlers else handlers
        # To Starlette the path takes all methods, so that no other path is asked.
        self.methods = None
        # Its pattern ends in $, which lets one newline more pass.
        self.path_regex = re.compile(self.path_regex.pattern.removesuffix("$") + r"\Z")

    async def _answer(self, request: Request) -> Response:
        handler = self.handlers.get(request.method)
        if handler is None:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(self.handlers))})
        return await handler(request)
