"""A cap on the requests in flight: beyond it, a request gets an immediate 503 and no queue."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.kit.dialect import Refusal
from service.api.kit.dispatch import refuse
from service.api.kit.endpoint import Endpoint
from service.api.kit.errors import OUTCOME, UNCHANGED
from service.api.kit.router import Router, endpoint_in
from service.edge.adaptive_limit import AdaptiveLimit
from service.edge.request_log import SHED

RETRY_AFTER_S = 1
BUSY = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "busy", "The service is busy. Try again in a moment."
)
BUSY_HEADERS = {"retry-after": str(RETRY_AFTER_S), OUTCOME.lower(): UNCHANGED}


class InFlight:
    """Counts the requests of a process: all of them, and those that should be quick."""

    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self._requests = 0
        self._quick = AdaptiveLimit()

    @property
    def is_full(self) -> bool:
        """Whether a request to some endpoint would be one too many."""
        return self._quick.is_reached or self._requests >= self._max_requests

    def is_full_for(self, endpoint: Endpoint | None) -> bool:
        """Say whether a request to this endpoint, None for an unknown path, would be too many."""
        if endpoint and endpoint.always_answered:
            return False
        return self._requests >= self._max_requests or (
            self._quick.is_reached and not (endpoint and endpoint.takes_long)
        )

    def learn(self, took_s: float) -> None:
        """Take note of how long a response took, without the time of its client or a model."""
        self._quick.learn(took_s)

    @contextmanager
    def request(self, endpoint: Endpoint | None) -> Iterator[None]:
        """Count a request while it is served."""
        if endpoint and endpoint.always_answered:
            yield
            return
        self._requests += 1
        try:
            if endpoint and endpoint.takes_long:
                yield
            else:
                with self._quick.request():
                    yield
        finally:
            self._requests -= 1


class InFlightCap:
    """Counts requests, and refuses those beyond the cap that their connection did not refuse."""

    def __init__(self, app: ASGIApp, *, in_flight: InFlight, router: Router) -> None:
        self._app = app
        self._in_flight = in_flight
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._in_flight.is_full_for(endpoint_in(scope)):
            scope[SHED] = True
            response = refuse(self._router.dialect_of(scope["path"]), BUSY, BUSY_HEADERS)
            await response(scope, receive, send)
        else:
            with self._in_flight.request(endpoint_in(scope)):
                await self._app(scope, receive, send)
