"""The route table: every path reaches its own endpoint, and errors have one shape."""

import re
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from service.api.kit.errors import STATUS
from service.domain.errors import DomainError
from tests.api.asking import Api
from tests.rows import ROUTER, ROWS, Row

SESSION_ID = "6f1f7c0e-3b52-4c5e-9f0e-0b8a4f3f2a11"


def every_kind(kind: type[DomainError]) -> set[type[DomainError]]:
    return {kind}.union(*(every_kind(below) for below in kind.__subclasses__()))


def table(dialect: str) -> set[tuple[str, str]]:
    return {(row.method, row.path) for row in ROWS if row.dialect.name == dialect}


def filled(path: str) -> tuple[str, dict[str, Any]]:
    """Return the path with values that look like other paths, and the values."""
    values = {
        "session_id": UUID(SESSION_ID) if ":uuid" in path else "chat",
        "user_id": "recent/export",
        "agent_id": "chat",
        "key": "chat/stream",
    }
    parameters = {name: values[name] for name in re.findall(r"{(\w+)", path)}
    return re.sub(r"{(\w+)[^}]*}", lambda found: str(values[found[1]]), path), parameters


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_path_reaches_its_own_endpoint_whatever_its_parameters_look_like(row: Row) -> None:
    path, parameters = filled(row.path)

    found = ROUTER.find(path)

    assert found is not None
    route, found_parameters = found
    assert route.endpoints[row.method] is row.endpoint
    assert (route.path, found_parameters) == (row.path, parameters)


@pytest.mark.parametrize("path", ["/get_by_agent/chat", "/get_all/chat", "/get_by_agent/export"])
def test_no_text_chosen_by_a_user_makes_a_request_a_long_one(path: str) -> None:
    found = ROUTER.find(path)

    assert found is not None
    assert not found[0].endpoints["GET"].takes_long


def test_chats_suggestions_exports_and_bulk_deletes_take_long() -> None:
    long = {f"{row.method} {row.path}" for row in ROWS if row.endpoint.takes_long}

    assert long == {
        "POST /chat/{session_id}",
        "POST /sessions/chat/{session_id}",
        "POST /api/v1/chat",
        "POST /api/v1/chat/stream",
        "GET /api/v1/sessions/{key:path}/export",
        "DELETE /api/v1/sessions",
        "DELETE /user/{user_id:path}/",
        "DELETE /api/user/{user_id:path}/",
        "POST /sessions/{session_id:uuid}/chat",
        "GET /sessions/{session_id:uuid}/suggestions",
    }


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/session/test/", "POST"),
        ("PATCH", "/user/", "GET, HEAD, POST"),
        ("PUT", "/api/v1/sessions/a/export", "DELETE, GET, HEAD"),
    ],
)
async def test_a_fixed_path_is_not_taken_for_one_with_an_id(
    alice: Api, method: str, path: str, allowed: str
) -> None:
    answer = await alice.ask(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("user_id", ["two\nlines", "last\n"])
async def test_an_id_may_contain_newlines_and_keeps_them(admin: Api, user_id: str) -> None:
    await admin.ask("POST", "/user/", json={"external_id": user_id})

    found = await admin.get(f"/user/{quote(user_id)}/")

    assert found.json()["id"] == user_id


def test_the_native_routes_are_these_at_the_root_and_under_sessions() -> None:
    native = {
        ("POST", "/create"),
        ("DELETE", "/delete/{session_id}"),
        ("GET", "/history/{session_id}"),
        ("POST", "/history/update/{session_id}"),
        ("POST", "/history/append/{session_id}"),
        ("PATCH", "/update/{session_id}"),
        ("GET", "/history/recent/{session_id}"),
        ("GET", "/get_all"),
        ("GET", "/get_all/{user_id:path}"),
        ("GET", "/get_by_agent/{agent_id:path}"),
        ("GET", "/get/{session_id}"),
        ("POST", "/chat/{session_id}"),
    }
    assert table("native") == native | {(m, f"/sessions{path}") for m, path in native}


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
    assert table("pyspur") == mounted


def test_the_julep_routes_are_these_alongside_the_native_ones() -> None:
    session = "/sessions/{session_id:uuid}"
    expected = {
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
    assert table("julep") == expected


def test_the_keyed_routes_are_these() -> None:
    expected = {
        ("GET", "/api/v1/health"),
        ("GET", "/api/v1/sessions"),
        ("DELETE", "/api/v1/sessions"),
        ("GET", "/api/v1/sessions/{key:path}/export"),
        ("DELETE", "/api/v1/sessions/{key:path}/export"),
        ("GET", "/api/v1/sessions/{key:path}"),
        ("DELETE", "/api/v1/sessions/{key:path}"),
        ("POST", "/api/v1/chat"),
        ("POST", "/api/v1/chat/stream"),
    }
    assert table("keyed") == expected


def test_every_kind_of_error_has_a_status() -> None:
    assert every_kind(DomainError) - {DomainError} == STATUS.keys()


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in STATUS]

    assert len(set(codes)) == len(codes)
