"""Every URL of the service, in one flat table."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.api.dialects import native


class Endpoint(NamedTuple):
    method: str
    path: str
    handler: Callable[[Request], Awaitable[Response]]


NATIVE = [
    Endpoint("POST", "/create", native.create),
    Endpoint("DELETE", "/delete/{session_id}", native.delete),
    Endpoint("GET", "/history/{session_id}", native.history),
    Endpoint("POST", "/history/update/{session_id}", native.update_history),
    Endpoint("GET", "/history/recent/{session_id}", native.recent_history),
    Endpoint("GET", "/get_all/{user_id:path}", native.list_by_user),
    Endpoint("GET", "/get_by_agent/{agent_id:path}", native.list_by_agent),
    Endpoint("GET", "/get/{session_id}", native.details),
]

ENDPOINTS = [
    *NATIVE,
    *(endpoint._replace(path=f"/sessions{endpoint.path}") for endpoint in NATIVE),
]


def routes() -> list[Route]:
    return [Route(path, handler, methods=[method]) for method, path, handler in ENDPOINTS]
