"""The route table: every path reaches its own endpoint, and errors have one shape."""

import pytest
from starlette.routing import Match, Router

from service.api import errors as api_errors
from service.api.errors import STATUS
from service.domain.errors import DomainError
from service.routes import ENDPOINTS, Endpoint, routes

SESSION_ID = "6f1f7c0e-3b52-4c5e-9f0e-0b8a4f3f2a11"


def every_kind(kind: type[DomainError]) -> set[type[DomainError]]:
    return {kind}.union(*(every_kind(below) for below in kind.__subclasses__()))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_every_path_reaches_its_own_endpoint(endpoint: Endpoint) -> None:
    path = (
        endpoint.path.replace("{session_id}", SESSION_ID)
        .replace("{user_id:path}", "recent/update")
        .replace("{agent_id:path}", "create/get")
    )
    scope = {"type": "http", "method": endpoint.method, "path": path, "root_path": ""}

    matches = (route.matches(scope) for route in Router(routes()).routes)
    reached = next(child["endpoint"] for match, child in matches if match is Match.FULL)

    assert reached is endpoint.handler


def test_the_native_routes_are_these_at_the_root_and_under_sessions() -> None:
    table = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}

    native = {
        ("POST", "/create"),
        ("DELETE", "/delete/{session_id}"),
        ("GET", "/history/{session_id}"),
        ("POST", "/history/update/{session_id}"),
        ("GET", "/history/recent/{session_id}"),
        ("GET", "/get_all/{user_id:path}"),
        ("GET", "/get_by_agent/{agent_id:path}"),
        ("GET", "/get/{session_id}"),
    }
    assert table == native | {(method, f"/sessions{path}") for method, path in native}


def test_every_kind_of_error_has_a_status() -> None:
    assert api_errors.STATUS is STATUS
    assert every_kind(DomainError) - {DomainError} == STATUS.keys()


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in STATUS]

    assert len(set(codes)) == len(codes)
