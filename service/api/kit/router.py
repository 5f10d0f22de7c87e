"""Finds the endpoint of a path: by its first segment, then among the few paths that share it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from uuid import UUID

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.kit.dialect import Dialect
from service.api.kit.endpoint import Endpoint
from service.signals import report_template

_PARAMETER = re.compile(r"{(?P<name>\w+)(?::(?P<kind>\w+))?}")
# Where the scope of a request has its route.
_ROUTE = "session_service.route"
_HEX = "[0-9a-fA-F]"
# The pattern of each kind of parameter, and what its text becomes.
_KINDS: Mapping[str | None, tuple[str, Callable[[str], Any]]] = {
    None: ("[^/]+", str),
    "uuid": (f"{_HEX}{{8}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{12}}", UUID),
    # A newline is text, too. It matches as little as possible: a slash after it is the template's.
    "path": ("(?s:.+?)", str),
}


@dataclass(frozen=True)
class Route:
    """A path with the endpoint of each of its methods; HEAD is served as GET."""

    path: str
    dialect: Dialect
    endpoints: Mapping[str, Endpoint]

    @property
    def template(self) -> str:
        """Return the path as OpenAPI writes it, without the kinds of its parameters."""
        return _PARAMETER.sub(r"{\g<name>}", self.path)

    @property
    def parameters(self) -> dict[str, str | None]:
        """Return the kind of each parameter, in the order of the path."""
        return {found["name"]: found["kind"] for found in _PARAMETER.finditer(self.path)}

    @property
    def allowed(self) -> str:
        """Return the methods, as the header Allow lists them."""
        return ", ".join(sorted(self.endpoints))


@dataclass(frozen=True)
class _Pattern:
    route: Route
    regex: re.Pattern[str]
    conversions: Mapping[str, Callable[[str], Any]]

    def match(self, path: str) -> dict[str, Any] | None:
        found = self.regex.fullmatch(path)
        if found is None:
            return None
        return {name: convert(found[name]) for name, convert in self.conversions.items()}


def route_in(scope: Scope) -> Route | None:
    """Return the route of a request; None if no path matches its own."""
    found: Route | None = scope[_ROUTE]
    return found


def endpoint_in(scope: Scope) -> Endpoint | None:
    """Return the endpoint of a request; None if its path or method does not exist."""
    route = route_in(scope)
    return route.endpoints.get(scope["method"]) if route else None


class Routing:
    """Finds the route of each request before anything else looks at it: an ASGI middleware."""

    def __init__(self, app: ASGIApp, router: "Router") -> None:
        self._app = app
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            route, scope["path_params"] = self._router.find(scope["path"]) or (None, {})
            scope[_ROUTE] = route
            report_template(scope, route.path if route else None)
        await self._app(scope, receive, send)


class Router:
    """Finds routes. If two paths match, the one of the dialect that comes first counts.

    A slash at the end of a path makes no difference.
    """

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self.routes = [route for dialect in dialects for route in _routes(dialect)]
        self._literal = {r.path.rstrip("/"): r for r in self.routes if "{" not in r.path}
        self._patterns: dict[str, list[_Pattern]] = {}
        for route in self.routes:
            if "{" in route.path:
                self._patterns.setdefault(_first_segment(route.path), []).append(_pattern(route))

    def find(self, path: str) -> tuple[Route, dict[str, Any]] | None:
        """Return the route of a decoded path, and its parameters; None if no path matches."""
        bare = path.removesuffix("/")
        literal = self._literal.get(bare)
        if literal is not None:
            return literal, {}
        for pattern in self._patterns.get(_first_segment(path), ()):
            parameters = pattern.match(path)
            if parameters is not None:
                return pattern.route, parameters
        return None

    def dialect_of(self, path: str) -> Dialect:
        """Return the dialect of the route, else the one whose paths begin most like this one."""
        found = self.find(path)
        if found:
            return found[0].dialect
        segments = path.split("/")[1:]
        return max(self.routes, key=lambda r: _likeness(r.path.split("/")[1:], segments)).dialect


def _routes(dialect: Dialect) -> Iterator[Route]:
    for mount in dialect.mounts:
        by_path: dict[str, dict[str, Endpoint]] = {}
        for endpoint in dialect.endpoints:
            by_path.setdefault(mount + endpoint.path, {})[endpoint.method] = endpoint
        for path, endpoints in by_path.items():
            head = {"HEAD": endpoints["GET"]} if "GET" in endpoints else {}
            yield Route(path, dialect, head | endpoints)


def _pattern(route: Route) -> _Pattern:
    conversions = {name: _KINDS[kind][1] for name, kind in route.parameters.items()}
    return _Pattern(route, re.compile(_regex(route.path)), conversions)


def _regex(path: str) -> str:
    written, end = "", 0
    for found in _PARAMETER.finditer(path):
        written += re.escape(path[end : found.start()])
        written += f"(?P<{found['name']}>{_KINDS[found['kind']][0]})"
        end = found.end()
    written += re.escape(path[end:].rstrip("/"))
    # Text at the end may itself end in a slash: that slash belongs to the text.
    return written if path.endswith(":path}") else f"{written}/?"


def _first_segment(path: str) -> str:
    return path.split("/", 2)[1] if "/" in path else ""


def _likeness(template: list[str], asked: list[str]) -> tuple[int, int, int]:
    """Rank by how many segments match from the start, then by how many are identical."""
    pairs = zip(template, asked, strict=False)
    alike = list(takewhile(lambda pair: pair[0] == pair[1] or pair[0].startswith("{"), pairs))
    return len(alike), sum(ours == theirs for ours, theirs in alike), -len(template)
