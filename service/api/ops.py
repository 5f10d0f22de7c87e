"""What operators and newcomers look at: health, metrics, description. Open to everyone."""

from collections.abc import Mapping
from typing import Any, Literal, NotRequired

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from typing_extensions import TypedDict

import service
from service.api.kit.dialect import Dialect, Refusal
from service.api.kit.dispatch import NOT_FOUND
from service.api.kit.endpoint import Endpoints, Handler
from service.api.kit.errors import headers_of, status_of
from service.api.kit.parts import parts
from service.api.openapi.docs_page import FILE_HEADERS, FILES, HEADERS, PAGE, content_of
from service.domain.errors import DomainError
from service.observability.metrics import CONTENT_TYPE

LINKS = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "live": "/livez",
    "ready": "/readyz",
}


class Failure(TypedDict):
    message: str
    error: str
    code: str


class About(TypedDict):
    name: str
    version: str
    dialects: dict[str, list[str]]
    links: dict[str, str]


class Health(TypedDict):
    status: Literal["ok"]


class Alive(TypedDict):
    status: Literal["alive"]


class Readiness(TypedDict):
    """`failed` are the checks that failed, `details` what operators should know of the database."""

    status: Literal["ready", "not ready"]
    failed: list[str]
    details: NotRequired[list[str]]


ops = Endpoints()


@ops("GET", "/", "Describe this service.", returns=About, open=True)
async def about(request: Request) -> Response:
    view = About(
        name="session-service",
        version=service.__version__,
        dialects=parts(request).mounts,
        links=LINKS,
    )
    return _reply(view)


@ops(
    "GET",
    "/health",
    "Say that the service responds.",
    returns=Health,
    open=True,
    always_answered=True,
)
async def health(_: Request) -> Response:
    return _reply(Health(status="ok"))


@ops(
    "GET",
    "/livez",
    "Say that this process responds.",
    returns=Alive,
    open=True,
    always_answered=True,
)
async def live(_: Request) -> Response:
    """Say that this process responds; `ready` covers everything else that it needs."""
    return _reply(Alive(status="alive"))


@ops(
    "GET",
    "/readyz",
    "Say whether requests can be served.",
    returns=Readiness,
    open=True,
    always_answered=True,
)
async def ready(request: Request) -> Response:
    readiness = parts(request).readiness
    failed, details = readiness.failed(), readiness.details()
    view = Readiness(status="not ready" if failed else "ready", failed=failed)
    if details:
        view["details"] = details
    return _reply(view, 503 if failed else 200)


@ops(
    "GET",
    "/metrics",
    "Return the metrics.",
    media_type="text/plain",
    refuses=frozenset({404}),
    open=True,
    always_answered=True,
)
async def metrics(request: Request) -> Response:
    """Return the metrics, unless they have a port of their own."""
    exposition = parts(request).metrics
    if exposition is None:
        return _reply(refusal_view(NOT_FOUND), NOT_FOUND.status)
    return Response(exposition(), media_type=CONTENT_TYPE)


@ops("GET", "/openapi.json", "Return this document.", returns=dict[str, Any], open=True)
async def openapi(request: Request) -> Response:
    return Response(parts(request).openapi, media_type="application/json")


@ops("GET", "/docs", "Show this document as a page.", media_type="text/html", open=True)
async def docs(_: Request) -> Response:
    return HTMLResponse(PAGE, headers=HEADERS)


def _file(name: str) -> Handler:
    async def show(_: Request) -> Response:
        return Response(content_of(name), media_type=FILES[name], headers=FILE_HEADERS)

    return show


for file in FILES:
    row = ops("GET", f"/docs/{file}", "Return a file of the page.", open=True, listed=False)
    row(_file(file))


def render(error: DomainError) -> Response:
    status = status_of(error)
    view = Failure(message="Request failed.", error=str(error), code=error.code)
    return _reply(view, status, headers_of(error))


def refusal_view(refusal: Refusal) -> dict[str, Any]:
    return {"message": refusal.status.phrase, "error": refusal.advice, "code": refusal.code}


def _reply(
    content: Mapping[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


DIALECT = Dialect(
    name="ops",
    about="Health, metrics and this description; no token is needed.",
    endpoints=ops.rows,
    render_error=render,
    refusal=refusal_view,
    failure=Failure,
    invalid_status=400,
)
