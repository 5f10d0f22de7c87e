"""Errors of the Julep dialect: unreadable bodies, unknown ids, no database."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.api.asking import UNKNOWN_ID, Api
from tests.api.julep_asking import NOT_FOUND, make_session

BAD_BODIES: list[bytes] = [
    b"",
    b"hello",
    b"[]",
    b"null",
    b'"text"',
    b'{"agent_id": "x"',
    b"\xff\xfe",
    b'{"agent_id": "\\ud800"}',
    b'{"agent_id": NaN}',
    b'{"a":' * 100_000,
]
MESSAGE = {"role": "user", "content": "Hello"}
WITH_BODY: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/sessions", {"agent_id": "a"}),
    ("PUT", "/sessions/{id}", {"situation": "x"}),
    ("PATCH", "/sessions/{id}", {"metadata": {"a": 1}}),
    ("POST", "/sessions/{id}/messages", MESSAGE),
    ("POST", "/sessions/{id}/messages", MESSAGE | {"role": "function"}),
]
CHAT = ("POST", "/sessions/{id}/chat", {"messages": [MESSAGE]})
WITHOUT_BODY = [
    ("GET", "/sessions", None),
    ("GET", "/sessions/{id}", None),
    ("DELETE", "/sessions/{id}", None),
    ("GET", "/sessions/{id}/history", None),
    ("DELETE", "/sessions/{id}/history", None),
    ("GET", "/sessions/{id}/messages", None),
    ("GET", "/sessions/{id}/tools", None),
    ("GET", "/sessions/{id}/suggestions", None),
]
JSON = {"Content-Type": "application/json"}


def short(value: object) -> str:
    return str(value)[:50]


@pytest.mark.parametrize("body", BAD_BODIES, ids=short)
@pytest.mark.parametrize(("method", "path", "_"), [*WITH_BODY, CHAT], ids=short)
async def test_a_body_that_is_not_a_json_object_is_422(
    alice: Api, method: str, path: str, _: Any, body: bytes
) -> None:
    path = path.format(id=await make_session(alice))

    answer = await alice.ask(method, path, content=body, headers=JSON)

    assert answer.status_code == 422
    assert answer.json().keys() == {"status_code", "message", "data"}
    assert answer.json()["message"].startswith("The body ")


@pytest.mark.parametrize(("method", "path", "body"), [*WITH_BODY, CHAT], ids=short)
async def test_a_body_that_is_not_declared_as_json_is_415(
    alice: Api, method: str, path: str, body: Any
) -> None:
    path = path.format(id=await make_session(alice))

    answer = await alice.ask(method, path, content=b"{}", headers={"Content-Type": "text/plain"})

    assert answer.status_code == 415
    assert answer.json().keys() == {"detail"}


@pytest.mark.parametrize(("method", "path", "body"), [*WITH_BODY, CHAT], ids=short)
async def test_a_body_over_the_limit_is_413(alice: Api, method: str, path: str, body: Any) -> None:
    path = path.format(id=await make_session(alice))

    answer = await alice.ask(method, path, content=b" " * (1024 * 1024 + 1), headers=JSON)

    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert "the limit is 1048576" in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path", "body"), [*WITH_BODY[1:], *WITHOUT_BODY[1:]], ids=short)
async def test_an_unknown_session_is_404(alice: Api, method: str, path: str, body: Any) -> None:
    answer = await alice.ask(method, path.format(id=uuid4()), json=body)

    assert answer.status_code == 404
    assert answer.json() == NOT_FOUND


@pytest.mark.parametrize("session_id", ["%00", "0" * 31, "0" * 5000, f"{UNKNOWN_ID}0", "$ne"])
@pytest.mark.parametrize("path", ["", "/history", "/tools"])
async def test_an_id_that_is_not_a_uuid_is_404(alice: Api, session_id: str, path: str) -> None:
    answer = await alice.get(f"/sessions/{session_id}{path}")

    assert answer.status_code == 404


@pytest.mark.parametrize(("method", "path", "body"), [*WITH_BODY, *WITHOUT_BODY], ids=short)
async def test_without_a_database_every_route_is_503_and_says_when_to_try_again(
    without_database: httpx2.AsyncClient, method: str, path: str, body: Any
) -> None:
    answer = await Api(without_database, "alice").ask(method, path.format(id=uuid4()), json=body)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json().keys() == {"detail"}
