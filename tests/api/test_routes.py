"""The route table: every path reaches its own endpoint, and errors have one shape."""

from types import ModuleType
from urllib.parse import quote

import pytest
from starlette.routing import Match

from service.api import dialects, redirects
from service.api import errors as api_errors
from service.api.errors import STATUS
from service.domain.errors import DomainError
from service.routes import ENDPOINTS, Endpoint, routes
from tests.api.asking import Api

SESSION_ID = "6f1f7c0e-3b52-4c5e-9f0e-0b8a4f3f2a11"


def every_kind(kind: type[DomainError]) -> set[type[DomainError]]:
    return {kind}.union(*(every_kind(below) for below in kind.__subclasses__()))


def rows_of(module: ModuleType) -> set[tuple[str, str]]:
    """Return the rows of the table whose endpoints stand in this module."""
    return {(e.method, e.path) for e in ENDPOINTS if e.handler.__module__ == module.__name__}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_every_path_reaches_its_own_endpoint(endpoint: Endpoint) -> None:
    path = (
        endpoint.path.replace("{session_id:uuid}", SESSION_ID)
        .replace("{session_id}", "session123")
        .replace("{user_id:path}", "recent/update")
        .replace("{agent_id:path}", "create/get")
    )
    scope = {"type": "http", "method": endpoint.method, "path": path, "root_path": ""}

    reached = next(route for route in routes({}) if route.matches(scope)[0] is Match.FULL)

    assert reached.path == endpoint.path
    assert reached.handlers[endpoint.method] is endpoint.handler


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/session/test/", "POST"),
        ("PATCH", "/user/", "GET, HEAD, POST"),
        ("PUT", "/api/v1/sessions/a/export", "DELETE, GET, HEAD"),
    ],
)
async def test_a_path_of_the_table_is_not_taken_for_the_id_of_another(
    alice: Api, method: str, path: str, allowed: str
) -> None:
    answer = await alice.ask(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("user_id", ["two\nlines", "last\n"])
async def test_an_id_may_have_newlines_and_keeps_them(admin: Api, user_id: str) -> None:
    await admin.ask("POST", "/user/", json={"external_id": user_id})

    found = await admin.get(f"/user/{quote(user_id)}/")

    assert found.json()["id"] == user_id


def test_the_native_routes_are_these_at_the_root_and_under_sessions() -> None:
    native = {
        ("POST", "/create"),
        ("DELETE", "/delete/{session_id}"),
        ("GET", "/history/{session_id}"),
        ("POST", "/history/update/{session_id}"),
        ("GET", "/history/recent/{session_id}"),
        ("GET", "/get_all/{user_id:path}"),
        ("GET", "/get_by_agent/{agent_id:path}"),
        ("GET", "/get/{session_id}"),
        ("POST", "/chat/{session_id}"),
    }
    assert rows_of(dialects.native) == native | {(m, f"/sessions{path}") for m, path in native}


def test_the_pyspur_routes_are_these_at_the_root_and_under_api() -> None:
    pyspur = {
        ("POST", "/session/"),
        ("GET", "/session/"),
        ("POST", "/session/test/"),
        ("GET", "/session/{session_id}/"),
        ("DELETE", "/session/{session_id}/"),
        ("POST", "/user/"),
        ("GET", "/user/"),
        ("GET", "/user/{user_id:path}/"),
        ("PATCH", "/user/{user_id:path}/"),
        ("DELETE", "/user/{user_id:path}/"),
    }
    mounted = pyspur | {(m, f"/api{path}") for m, path in pyspur}
    assert rows_of(dialects.pyspur) == mounted
    assert rows_of(redirects) == {(m, path.removesuffix("/")) for m, path in mounted}


def test_the_julep_routes_are_these_beside_the_native_ones() -> None:
    session = "/sessions/{session_id:uuid}"
    table = {
        ("POST", "/sessions"),
        ("GET", "/sessions"),
        ("GET", session),
        ("PUT", session),
        ("PATCH", session),
        ("DELETE", session),
        ("GET", f"{session}/history"),
        ("DELETE", f"{session}/history"),
        ("GET", f"{session}/messages"),
        ("POST", f"{session}/messages"),
        ("GET", f"{session}/tools"),
        ("GET", f"{session}/suggestions"),
        ("POST", f"{session}/chat"),
    }
    assert rows_of(dialects.julep) | rows_of(dialects.julep_chat) == table


def test_the_keyed_routes_are_these() -> None:
    table = {
        ("GET", "/health"),
        ("GET", "/api/v1/health"),
        ("GET", "/api/v1/sessions"),
        ("DELETE", "/api/v1/sessions"),
        ("GET", "/api/v1/sessions/{key:key}/export"),
        ("DELETE", "/api/v1/sessions/{key:key}/export"),
        ("GET", "/api/v1/sessions/{key:key}"),
        ("DELETE", "/api/v1/sessions/{key:key}"),
        ("POST", "/api/v1/chat"),
        ("POST", "/api/v1/chat/stream"),
    }
    assert rows_of(dialects.keyed) == table


def test_every_kind_of_error_has_a_status() -> None:
    assert api_errors.STATUS is STATUS
    assert every_kind(DomainError) - {DomainError} == STATUS.keys()


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in STATUS]

    assert len(set(codes)) == len(codes)
