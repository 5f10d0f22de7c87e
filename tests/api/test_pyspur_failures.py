"""Errors of the PySpur dialect: unreadable bodies, unknown ids, no database."""

from typing import Any

import httpx2
import pytest

from tests.api.asking import UNKNOWN_ID, Api
from tests.api.pyspur_asking import each_mount

BAD_BODIES: list[bytes] = [
    b"",
    b"hello",
    b"[]",
    b"null",
    b'"text"',
    b'{"user_id": "x"',
    b"\xff\xfe",
    b'{"user_id": "\\ud800"}',
    b'{"user_id": NaN}',
    b'{"a":' * 100_000,
]
ROUTES_WITH_BODY = [("POST", "/session/"), ("POST", "/user/"), ("PATCH", "/user/someone/")]


def short(value: object) -> str:
    return str(value)[:50]


@pytest.mark.parametrize("body", BAD_BODIES, ids=short)
@pytest.mark.parametrize(("method", "path"), ROUTES_WITH_BODY)
async def test_a_body_that_is_not_a_json_object_is_422(
    alice: Api, method: str, path: str, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}

    answer = await alice.ask(method, path, content=body, headers=headers)

    assert answer.status_code == 422
    [detail] = answer.json()["detail"]
    assert detail["loc"] == ["body"]
    assert detail["msg"].startswith("The body ")


@pytest.mark.parametrize(("method", "path"), ROUTES_WITH_BODY)
async def test_a_body_that_is_not_declared_as_json_is_415(
    alice: Api, method: str, path: str
) -> None:
    answer = await alice.ask(method, path, content=b"{}", headers={"Content-Type": "text/plain"})

    assert answer.status_code == 415
    assert answer.json()["detail"].startswith("Send the body as Content-Type: application/json")


@pytest.mark.parametrize(("method", "path"), ROUTES_WITH_BODY)
async def test_a_body_over_the_limit_is_413(alice: Api, method: str, path: str) -> None:
    headers = {"Content-Type": "application/json"}

    answer = await alice.ask(method, path, content=b" " * (1024 * 1024 + 1), headers=headers)

    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert "the limit is 1048576" in answer.json()["detail"]


@each_mount
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "session_id",
    ["session123", UNKNOWN_ID, "0" * 32, "0" * 5000, "%00", "$ne", "[object Object]"],
)
async def test_an_unknown_session_is_404_whatever_its_id(
    alice: Api, mount: str, method: str, session_id: str
) -> None:
    answer = await alice.ask(method, f"{mount}/session/{session_id}/")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Session not found"}


@each_mount
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("user_id", ["nobody", "", "%00", "$ne", "u" * 200, "a/b", "[x]"])
async def test_an_unknown_user_is_404(admin: Api, mount: str, method: str, user_id: str) -> None:
    options: dict[str, Any] = {"json": {}} if method == "PATCH" else {}

    answer = await admin.ask(method, f"{mount}/user/{user_id}/", **options)

    assert answer.status_code == 404
    assert answer.json() == {"detail": "User not found"}


ROUTES: list[tuple[str, str, Any]] = [
    ("POST", "/session/", {"user_id": "alice", "workflow_id": "w", "external_id": "k"}),
    ("GET", "/session/", None),
    ("POST", "/session/test/?workflow_id=w", None),
    ("GET", f"/session/{UNKNOWN_ID}/", None),
    ("DELETE", f"/session/{UNKNOWN_ID}/", None),
    ("POST", "/user/", {"external_id": "alice"}),
    ("GET", "/user/", None),
    ("GET", "/user/alice/", None),
    ("PATCH", "/user/alice/", {"user_metadata": {"a": 1}}),
    ("DELETE", "/user/alice/", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=short)
async def test_without_a_database_every_route_is_503_and_says_when_to_try_again(
    without_database: httpx2.AsyncClient, method: str, path: str, body: Any
) -> None:
    answer = await Api(without_database, "alice").ask(method, path, json=body)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json().keys() == {"detail"}
