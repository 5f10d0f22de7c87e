"""Counts and times every request by the template of its path: a pure ASGI middleware."""

from functools import cache
from time import perf_counter

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.kit.router import Route, route_in
from service.observability.metrics import HTTP_DURATION_S, HTTP_REQUESTS, STREAMS_OPEN

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
EVENT_STREAM = b"text/event-stream"


class _Answer:
    """Passes a response on, and remembers its status and kind."""

    def __init__(self, send: Send) -> None:
        self._send = send
        # The status if there was no response: the failure goes on to the outermost layer.
        self.status = 500
        self.is_stream = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message["headers"]:
                if name == b"content-type" and value.startswith(EVENT_STREAM):
                    self.is_stream = True
                    STREAMS_OPEN.inc()
        await self._send(message)


class Measured:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # Finding the child of a metric by its labels costs more than observing it.
        self._children: dict[tuple[str, str | None, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = perf_counter()
        answer = _Answer(send)
        try:
            await self._app(scope, receive, answer.send)
        finally:
            self._observe(scope, answer.status, perf_counter() - began_s)
            if answer.is_stream:
                STREAMS_OPEN.dec()

    def _observe(self, scope: Scope, status: int, duration_s: float) -> None:
        route = route_in(scope)
        key = (scope["method"], route.path if route else None, status)
        children = self._children.get(key) or self._bind(scope["method"], route, status)
        children[0].inc()
        children[1].observe(duration_s)

    def _bind(self, method: str, route: Route | None, status: int) -> tuple[Counter, Histogram]:
        known = _known(method)
        labels = (known, route.path, route.dialect.name) if route else (known, "none", "none")
        bound = HTTP_REQUESTS.labels(*labels, str(status)), HTTP_DURATION_S.labels(*labels)
        if known == method:
            # Callers may make methods up: only those that exist are remembered.
            self._children[method, route.path if route else None, status] = bound
        return bound


def count_shed(method: str) -> None:
    """Count a request, of a known method, that never reached the application."""
    _shed(method).inc()


@cache
def _shed(method: str) -> Counter:
    return HTTP_REQUESTS.labels(method, "none", "none", "503")


def _known(method: str) -> str:
    return method if method in METHODS else "other"
