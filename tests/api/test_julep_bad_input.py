"""Bad input gets a 422 in Julep's shape that says what is wrong, and changes nothing."""

import json
from typing import Any

import httpx2
import pytest

from service.domain.rules import MAX_METADATA_BYTES
from tests.api.asking import Api
from tests.api.julep_asking import add, history, listed, make_session, show

INTEGER = "must be an integer of at most 18 digits"
STRING = "Input should be a valid string"
DEEP: list[Any] = []
for _ in range(40):
    DEEP = [DEEP]

# A field of a session, its bad value and what the error says about it.
BAD_SETTINGS: list[tuple[str, Any, str]] = [
    ("situation", 7, STRING),
    ("situation", "a\x00", "NUL"),
    ("metadata", [], "valid dictionary"),
    ("metadata", "x", "valid dictionary"),
    ("metadata", {"n": 2**63}, "fit into 64 bits"),
    ("metadata", {"deep": DEEP}, "nested deeper than 32"),
    ("render_templates", "yes", "valid boolean"),
    ("token_budget", 0, "from 1 to"),
    ("token_budget", -5, "from 1 to"),
    ("token_budget", 10**30, "from 1 to"),
    ("token_budget", 1.5, "valid integer"),
    ("token_budget", "4000", "valid integer"),
    ("token_budget", True, "valid integer"),
    ("context_overflow", "explode", "'truncate' or 'adaptive'"),
    ("context_overflow", "", "'truncate' or 'adaptive'"),
    ("tools", {}, "valid list"),
    ("tools", [7], "valid dictionary"),
    ("tools", [{"type": "webhook", "function": {"name": "f"}}], "'function'"),
    ("tools", [{"type": "function"}], "required"),
    ("tools", [{"type": "function", "function": {"name": "no spaces"}}], "pattern"),
    ("tools", [{"type": "function", "function": {"name": "f\n"}}], "pattern"),
    ("tools", [{"type": "function", "function": {"name": "f" * 65}}], "pattern"),
]
BAD_SESSIONS: list[tuple[str, Any, str]] = [
    *BAD_SETTINGS,
    ("agent_id", None, STRING),
    ("agent_id", "", "1 to 256 characters"),
    ("agent_id", "a" * 257, "not 257"),
    ("agent_id", {"$ne": ""}, STRING),
    ("user_id", 7, STRING),
]
BAD_MESSAGES: list[tuple[dict[str, Any], str]] = [
    ({"content": "x"}, "role: is required"),
    ({"role": "user"}, "content"),
    ({"role": "user", "content": None}, "content"),
    ({"role": "user", "content": 7}, "content"),
    ({"role": "user", "content": [7]}, "content"),
    ({"role": "user", "content": "a\x00"}, "NUL"),
    ({"role": "tool", "content": "x"}, "'function_call' or 'function'"),
    ({"role": "auto", "content": "x"}, "'function_call' or 'function'"),
    ({"role": "user", "content": "x", "name": ""}, "name: must be 1 to 128"),
    ({"role": "function", "content": "x", "tool_call_id": ""}, "tool_call_id: must be 1 to"),
    ({"role": "function_call", "content": "get_weather()"}, "content: of a function_call"),
    ({"role": "function_call", "content": "[]"}, "content: of a function_call"),
    ({"role": "function_call", "content": "7"}, "content: of a function_call"),
    ({"role": "function_call", "content": "{}"}, "content: of a function_call"),
    ({"role": "function_call", "content": '{"name": ""}'}, "content: of a function_call"),
    ({"role": "function_call", "content": '{"name": 7}'}, "content: of a function_call"),
    (
        {"role": "function_call", "content": '{"name": "f", "arguments": 7}'},
        "content: of a function_call",
    ),
    ({"role": "function_call", "content": '{"tool_calls": 7}'}, "content: of a function_call"),
    ({"role": "function_call", "content": '{"tool_calls": []}'}, "content: of a function_call"),
]
BAD_PAGES = {
    "limit=0": "limit: Input should be greater than or equal to 1",
    "limit=-1": "limit: Input should be greater than or equal to 1",
    "limit=1001": "limit: Input should be less than or equal to 1000",
    "limit=": INTEGER,
    "limit=ten": INTEGER,
    "limit=1.0": INTEGER,
    "limit=" + "9" * 5000: INTEGER,
    "limit=1&limit=2": "limit: must be given only once.",
    "offset=-1": "offset: Input should be greater than or equal to 0",
    "offset=2147483648": "offset: Input should be less than or equal to 2147483647",
    "offset=x": INTEGER,
    "offset=%FF": "query string: must be percent-encoded UTF-8",
}
BAD_LISTS = BAD_PAGES | {
    "sort_by=last_active": "sort_by: Input should be 'created_at' or 'updated_at'",
    "sort_by=": "sort_by: Input should be 'created_at' or 'updated_at'",
    "order=1": "order: Input should be 'asc' or 'desc'",
    "order=asc&order=desc": "order: must be given only once.",
    'metadata_filter={"n": 9223372036854775808}': "metadata: integers must fit into 64 bits",
    'metadata_filter={"a": "\\u0000"}': "metadata: must not contain NUL",
}
BAD_FILTERS = ["", "x", "{", "[]", "7", "null", '"text"', '{"a": NaN}', "{'a': 1}", '{"a": 1} {}']


def short(value: object) -> str:
    return str(value)[:50]


def assert_problem(answer: httpx2.Response, problem: str) -> None:
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert body.keys() == {"status_code", "message", "data"}
    assert (body["status_code"], body["data"]) == (422, None)
    assert problem in body["message"]
    assert len(body["message"].splitlines()) == 1


@pytest.mark.parametrize(("field", "value", "problem"), BAD_SESSIONS, ids=short)
async def test_a_bad_session_is_422_and_says_why(
    alice: Api, field: str, value: Any, problem: str
) -> None:
    answer = await alice.ask("POST", "/sessions", json={"agent_id": "agent", field: value})

    assert_problem(answer, problem)
    assert answer.json()["message"].startswith(field)
    assert await listed(alice) == []


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(("field", "value", "problem"), BAD_SETTINGS, ids=short)
async def test_a_bad_update_is_422_and_changes_nothing(
    alice: Api, method: str, field: str, value: Any, problem: str
) -> None:
    session_id = await make_session(alice, situation="old")
    before = await show(alice, session_id)

    body = {"situation": "new", "metadata": {"a": 1}, field: value}
    answer = await alice.ask(method, f"/sessions/{session_id}", json=body)

    assert_problem(answer, problem)
    assert await show(alice, session_id) == before


async def test_metadata_that_grows_too_large_by_merging_is_413(alice: Api) -> None:
    half = "x" * (MAX_METADATA_BYTES // 2)
    session_id = await make_session(alice, metadata={"a": half})

    answer = await alice.ask("PATCH", f"/sessions/{session_id}", json={"metadata": {"b": half}})

    assert answer.status_code == 413
    assert answer.json().keys() == {"detail"}
    assert (await show(alice, session_id))["metadata"] == {"a": half}


@pytest.mark.parametrize(("body", "problem"), BAD_MESSAGES, ids=short)
async def test_a_bad_message_is_422_and_not_stored(
    alice: Api, body: dict[str, Any], problem: str
) -> None:
    session_id = await make_session(alice)

    answer = await alice.ask("POST", f"/sessions/{session_id}/messages", json=body)

    assert_problem(answer, problem)
    assert await history(alice, session_id) == []


@pytest.mark.parametrize(("query", "problem"), BAD_LISTS.items(), ids=short)
async def test_a_bad_parameter_of_a_list_is_422(alice: Api, query: str, problem: str) -> None:
    assert_problem(await alice.ask("GET", f"/sessions?{query}"), problem)


@pytest.mark.parametrize("path", ["history", "messages", "suggestions"])
@pytest.mark.parametrize(("query", "problem"), BAD_PAGES.items(), ids=short)
async def test_a_bad_page_is_422(alice: Api, path: str, query: str, problem: str) -> None:
    session_id = await make_session(alice)

    answer = await alice.ask("GET", f"/sessions/{session_id}/{path}?{query}")

    assert_problem(answer, problem)


@pytest.mark.parametrize("text", BAD_FILTERS)
async def test_a_filter_that_is_not_a_json_object_is_400(alice: Api, text: str) -> None:
    answer = await alice.get("/sessions", metadata_filter=text)

    assert answer.status_code == 400
    assert answer.json() == {"detail": "metadata_filter is not a valid JSON"}


async def test_a_filter_larger_than_metadata_may_be_is_413(alice: Api) -> None:
    text = json.dumps({"a": "x" * MAX_METADATA_BYTES})

    answer = await alice.get("/sessions", metadata_filter=text)

    assert answer.status_code == 413
    assert answer.json().keys() == {"detail"}


async def test_a_message_over_the_limit_is_413(alice: Api) -> None:
    session_id = await make_session(alice)
    body = {"role": "user", "content": "x" * (256 * 1024 + 1)}

    answer = await alice.ask("POST", f"/sessions/{session_id}/messages", json=body)

    assert answer.status_code == 413
    assert answer.json().keys() == {"detail"}


async def test_too_many_tools_are_413(alice: Api) -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 10_000}}

    answer = await alice.ask("POST", "/sessions", json={"agent_id": "a", "tools": [tool] * 20})

    assert answer.status_code == 413
    assert "tools" in answer.json()["detail"]


async def test_a_limit_of_zero_does_not_mean_all(alice: Api) -> None:
    session_id = await make_session(alice)
    await add(alice, session_id, role="user", content="x")

    answer = await alice.get(f"/sessions/{session_id}/history", limit=0)

    assert_problem(answer, "limit")
