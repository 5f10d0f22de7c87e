"""A dialect for tests only, and applications with a single dialect."""

from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from service.api.kit.dialect import Dialect, Refusal
from service.api.kit.dispatch import Dispatch
from service.api.kit.endpoint import Endpoint, Handler
from service.api.kit.router import Router, Routing
from service.api.ops import Failure, render


def refusal_view(refusal: Refusal) -> dict[str, Any]:
    return {"refused": refusal.advice}


def dialect_of(*endpoints: Endpoint, name: str = "throwaway") -> Dialect:
    return Dialect(
        name=name,
        about="A dialect of the tests.",
        endpoints=endpoints,
        render_error=render,
        refusal=refusal_view,
        failure=Failure,
        invalid_status=400,
    )


def open_endpoints(handlers: Mapping[str, Handler]) -> list[Endpoint]:
    """Return an endpoint for each path that needs no token."""
    return [
        Endpoint("GET", path, handler, "Test.", open=True) for path, handler in handlers.items()
    ]


def application(dialect: Dialect, *middleware: Middleware) -> tuple[Starlette, Router]:
    """Return an application of this dialect, within the middleware."""
    router = Router([dialect])
    dispatch = Dispatch(router, {})
    app = Starlette(
        routes=[dispatch],
        middleware=[Middleware(Routing, router=router), *middleware],
        exception_handlers={Exception: dispatch.unexpected},
    )
    return app, router
