"""From a request to the endpoint of its path, through the same steps in every dialect."""

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from service.api.kit.dialect import Dialect, Refusal
from service.api.kit.endpoint import Endpoint
from service.api.kit.parts import parts
from service.api.kit.rate_limits import RateLimits
from service.api.kit.router import Router, endpoint_in, route_in
from service.domain.errors import DomainError

NOT_FOUND = Refusal(
    HTTPStatus.NOT_FOUND, "not_found", "There is no such path. /docs lists all of them."
)
WRONG_METHOD = Refusal(
    HTTPStatus.METHOD_NOT_ALLOWED,
    "method_not_allowed",
    "The path exists, but not for this method. The header Allow lists its methods.",
)
BROKEN = Refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal_error",
    "The service failed; this is not your fault.",
)


class Dispatch(BaseRoute):
    """The only route for Starlette: hands each request to its endpoint. `limits` are by dialect."""

    def __init__(self, router: Router, limits: Mapping[str, RateLimits]) -> None:
        self._router = router
        self._limits = limits

    def matches(self, scope: Scope) -> tuple[Match, Scope]:  # noqa: ARG002  It takes every request.
        return Match.FULL, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._response(Request(scope, receive, send))
        await response(scope, receive, send)

    async def unexpected(self, request: Request, _: Exception) -> Response:
        """Return the response for a mistake of ours."""
        return refuse(self._dialect(request), BROKEN)

    async def _response(self, request: Request) -> Response:
        route, endpoint = route_in(request.scope), endpoint_in(request.scope)
        if route is None:
            return refuse(self._dialect(request), NOT_FOUND)
        if endpoint is None:
            return refuse(route.dialect, WRONG_METHOD, {"Allow": route.allowed})
        try:
            if endpoint.open:
                return await endpoint.handler(request)
            return await parts(request).deadlines.keep(
                request, self._serve(request, endpoint, self._limits.get(route.dialect.name))
            )
        except DomainError as error:
            return route.dialect.render(endpoint)(error)

    async def _serve(
        self, request: Request, endpoint: Endpoint, limits: RateLimits | None
    ) -> Response:
        if limits:
            await limits.count_address(request)
        await authenticate(request)
        if limits:
            await limits.count_token(request)
        return await endpoint.handler(request)

    def _dialect(self, request: Request) -> Dialect:
        return self._router.dialect_of(request.scope["path"])


async def authenticate(request: Request) -> None:
    """Verify the token once and keep the caller with the request.

    Raises:
        Unauthenticated: no token, or not a valid one.
    """
    # Two headers are joined to one that is not a token: no one may choose which of them counts.
    given = [value for name, value in request.scope["headers"] if name == b"authorization"]
    authenticator = parts(request).authenticator
    request.scope["caller"] = await authenticator.caller(b", ".join(given).decode("latin-1"))


def refuse(
    dialect: Dialect, refusal: Refusal, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        orjson.dumps(dialect.refusal(refusal)),
        refusal.status,
        headers,
        media_type="application/json",
    )
