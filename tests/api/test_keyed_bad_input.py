"""What the keyed dialect refuses: always in the same shape, and nothing is stored."""

from typing import Any

import orjson
import pytest

from service.api.dialects.keyed.shapes import MAX_AGE_S, MAX_MESSAGE_CHARS
from service.api.dialects.keyed.views import MAX_SHOWN_ERRORS, render
from service.api.kit.errors import RateLimited
from service.domain import errors
from tests.api.asking import Api
from tests.api.keyed_asking import SESSIONS, listed

CHATS = ["/api/v1/chat", "/api/v1/chat/stream"]
CHALLENGE = {"www-authenticate": 'Bearer error="invalid_token", error_description="expired"'}
JSON = {"Content-Type": "application/json"}

# The body, and what the error says about it: the field and the type of the problem.
BAD_BODIES: list[tuple[Any, str, str]] = [
    ({}, "message", "missing"),
    ({"message": None}, "message", "string_type"),
    ({"message": 1}, "message", "string_type"),
    ({"message": ["x"]}, "message", "string_type"),
    ({"message": ""}, "message", "string_too_short"),
    ({"message": "x" * (MAX_MESSAGE_CHARS + 1)}, "message", "string_too_long"),
    ({"message": "x", "surprise": 1}, "surprise", "extra_forbidden"),
    ({"message": "x", "session_key": ""}, "session_key", "string_pattern_mismatch"),
    ({"message": "x", "session_key": "a" * 129}, "session_key", "string_pattern_mismatch"),
    ({"message": "x", "session_key": "a/b"}, "session_key", "string_pattern_mismatch"),
    ({"message": "x", "session_key": "a b"}, "session_key", "string_pattern_mismatch"),
    ({"message": "x", "session_key": "a\n"}, "session_key", "string_pattern_mismatch"),
    ({"message": "x", "session_key": "\na"}, "session_key", "string_pattern_mismatch"),
    ({"message": "x", "session_key": "ä"}, "session_key", "string_pattern_mismatch"),
    ({"message": "x", "session_key": "\u0661"}, "session_key", "string_pattern_mismatch"),
    ({"message": "x", "session_key": 7}, "session_key", "string_type"),
    ({"message": "x", "model": ""}, "model", "string_too_short"),
    ({"message": "x", "model": "m" * 257}, "model", "string_too_long"),
    ({"message": "x", "model": {}}, "model", "string_type"),
]
BAD_QUERIES = [
    ("prefix=", "prefix"),
    (f"prefix={'a' * 257}", "prefix"),
    ("prefix=a&prefix=b", "prefix"),
    ("older_than_s=", "older_than_s"),
    ("older_than_s=0", "older_than_s"),
    ("older_than_s=-1", "older_than_s"),
    ("older_than_s=1.5", "older_than_s"),
    ("older_than_s=1e3", "older_than_s"),
    ("older_than_s=abc", "older_than_s"),
    (f"older_than_s={MAX_AGE_S + 1}", "older_than_s"),
    ("older_than_s=99999999999999999999", "older_than_s"),
    ("older_than_s=1&older_than_s=2", "older_than_s"),
    ("prefix=a&older_than_s=x", "older_than_s"),
    ("prefix=%FF", "query string"),
]


@pytest.mark.parametrize("path", CHATS)
@pytest.mark.parametrize(("body", "field", "kind"), BAD_BODIES, ids=lambda v: repr(v)[:40])
async def test_a_bad_body_is_422_and_names_the_field(
    alice: Api, path: str, body: Any, field: str, kind: str
) -> None:
    answer = await alice.ask("POST", path, json=body)

    refusal = answer.json()
    assert answer.status_code == 422
    assert refusal.keys() == {"detail", "errors"}
    assert refusal["detail"] == "Validation error"
    [error] = refusal["errors"]
    assert error.keys() == {"field", "message", "type"}
    assert (error["field"], error["type"]) == (field, kind)
    assert await listed(alice) == []


@pytest.mark.parametrize("path", CHATS)
async def test_all_problems_are_reported_together(alice: Api, path: str) -> None:
    answer = await alice.ask("POST", path, json={"session_key": "a b", "surprise": 1})

    fields = {error["field"] for error in answer.json()["errors"]}
    assert fields == {"message", "session_key", "surprise"}


@pytest.mark.parametrize("path", CHATS)
async def test_the_report_of_problems_is_bounded(alice: Api, path: str) -> None:
    body = {"x" * 10_000 + str(number): 1 for number in range(50)}

    answer = await alice.ask("POST", path, json=body)

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == MAX_SHOWN_ERRORS
    assert len(answer.content) < 10_000


@pytest.mark.parametrize("path", CHATS)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"text"', b"null", b"\xff", b'{"message": "\\ud800"}', b'{"message": NaN}'],
    ids=repr,
)
async def test_a_body_that_is_not_a_json_object_is_422(alice: Api, path: str, body: bytes) -> None:
    answer = await alice.ask("POST", path, content=body, headers=JSON)

    [error] = answer.json()["errors"]
    assert answer.status_code == 422
    assert answer.json()["detail"] == "Validation error"
    assert (error["field"], error["type"]) == ("body", "malformed_body")


@pytest.mark.parametrize("path", CHATS)
@pytest.mark.parametrize("media_type", ["text/plain", "", "application/x-www-form-urlencoded"])
async def test_a_body_that_is_not_sent_as_json_is_415(
    alice: Api, path: str, media_type: str
) -> None:
    headers = {"Content-Type": media_type}
    answer = await alice.ask("POST", path, content=b'{"message":"x"}', headers=headers)

    assert answer.status_code == 415
    assert answer.json().keys() == {"detail"}


@pytest.mark.parametrize("path", CHATS)
async def test_a_body_over_the_limit_is_413(alice: Api, path: str) -> None:
    answer = await alice.ask("POST", path, content=b" " * (1024 * 1024 + 1), headers=JSON)

    assert answer.status_code == 413
    assert answer.json().keys() == {"detail"}


@pytest.mark.parametrize(("query", "field"), BAD_QUERIES, ids=lambda v: repr(v)[:40])
async def test_a_bad_filter_is_422_and_nothing_is_deleted(
    alice: Api, query: str, field: str
) -> None:
    await alice.create(key="abc")

    answer = await alice.ask("DELETE", f"{SESSIONS}?{query}")

    assert answer.status_code == 422
    assert answer.json()["detail"] == "Validation error"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert await listed(alice) == ["abc"]


@pytest.mark.parametrize(
    "path", ["%00", "%FF%FE", "%", "%zz", "x" * 5000, "id:", "id:x", "id:%00", "$where", "a%0Db"]
)
async def test_a_key_no_session_can_have_is_404(alice: Api, path: str) -> None:
    for method in ("GET", "DELETE"):
        answer = await alice.ask(method, f"{SESSIONS}/{path}")

        assert answer.status_code == 404
        assert answer.json() == {"detail": "Session not found"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1", 404),
        ("GET", "/api/v1/nothing", 404),
        ("POST", SESSIONS, 405),
        ("PUT", f"{SESSIONS}/a", 405),
        ("GET", "/api/v1/chat", 405),
    ],
)
async def test_an_unknown_route_is_refused_in_the_same_shape(
    alice: Api, method: str, path: str, status: int
) -> None:
    answer = await alice.ask(method, path)

    assert answer.status_code == status
    assert answer.json().keys() == {"detail"}


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (RateLimited(7), 429, "Rate limit exceeded"),
        (errors.Unauthenticated("expired", "Get a new one."), 401, "Authentication required"),
        (errors.SessionNotFound(), 404, "Session not found"),
        (errors.ModelFailed(), 502, "Agent execution failed"),
        (errors.ModelTimeout(3), 502, "Agent execution failed"),
        (errors.ModelNotConfigured(), 503, str(errors.ModelNotConfigured())),
        (errors.TokenBudgetExceeded(9, 8), 400, str(errors.TokenBudgetExceeded(9, 8))),
        (errors.StoreUnavailable(), 503, str(errors.StoreUnavailable())),
        (errors.OutcomeUnknown(), 503, str(errors.OutcomeUnknown())),
    ],
    ids=repr,
)
def test_an_error_has_its_status_and_its_detail(
    error: errors.DomainError, status: int, detail: str
) -> None:
    answer = render(error)

    assert answer.status_code == status
    assert orjson.loads(answer.body) == {"detail": detail}


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (RateLimited(7), {"retry-after": "7", "x-ratelimit-remaining": "0"}),
        (errors.StoreUnavailable(), {"retry-after": "2"}),
        (errors.Unauthenticated("expired", "Get a new one."), CHALLENGE),
    ],
    ids=repr,
)
def test_an_error_has_its_headers(error: errors.DomainError, headers: dict[str, str]) -> None:
    answer = render(error)

    assert headers.items() <= dict(answer.headers).items()
