"""Bad input gets the flat 400 (404, 413, 415) that says what is wrong and what is valid."""

from typing import Any

import pytest

from service.domain.rules import MAX_CONTENT_BYTES, MAX_METADATA_BYTES
from tests.api.asking import UNKNOWN_ID, Api

FAILURES = {
    "create": "Failed to create session.",
    "delete": "Failed to delete session.",
    "history": "Failed to retrieve session history.",
    "update": "Failed to update session history.",
    "recent": "Failed to retrieve recent history.",
    "get_all": "Failed to retrieve user sessions.",
    "get_by_agent": "Failed to retrieve agent sessions.",
    "get": "Failed to retrieve session details.",
}

INTEGER = "must be an integer of at most 18 digits"
BAD_CREATES = {
    "": "agent_id: is required.",
    "agent_id=": "agent_id: must be 1 to 256 characters long, not 0.",
    "agent_id=" + "a" * 257: "agent_id: must be 1 to 256 characters long, not 257.",
    "agent_id=a%00b": "agent_id: must not contain NUL characters or lone surrogates.",
    "agent_id=a&agent_id=b": "agent_id: must be given only once.",
    "agent_id=%ED%A0%80": "query string: must be percent-encoded UTF-8",
    "agent_id=a%FF": "query string: must be percent-encoded UTF-8",
    "agent_id=a&max_context_results=": INTEGER,
    "agent_id=a&max_context_results=two": INTEGER,
    "agent_id=a&max_context_results=1.0": INTEGER,
    "agent_id=a&max_context_results=1_0": INTEGER,
    "agent_id=a&max_context_results=%201": INTEGER,
    "agent_id=a&max_context_results=%EF%BC%91": INTEGER,
    "agent_id=a&max_context_results=0": "greater than or equal to 1, not '0'.",
    "agent_id=a&max_context_results=-1": "greater than or equal to 1, not '-1'.",
    "agent_id=a&max_context_results=1001": "less than or equal to 1000, not '1001'.",
    "agent_id=a&max_context_results=" + "9" * 400: INTEGER,
    "agent_id=a&max_context_results=1&max_context_results=2": "must be given only once.",
    "agent_id=a&title=": "title: must be 1 to 512 characters long, not 0.",
    "agent_id=a&title=" + "t" * 513: "title: must be 1 to 512 characters long, not 513.",
    "agent_id=a&key=": "key: must be 1 to 256 characters long, not 0.",
    "agent_id=a&" + "&".join(f"p{n}" for n in range(100)): "with at most 100 parameters",
}

BAD_PAGES = {
    "limit=0": "limit: Input should be greater than or equal to 1, not '0'.",
    "limit=-1": "limit: Input should be greater than or equal to 1, not '-1'.",
    "limit=": f"limit: {INTEGER}, not ''.",
    "limit=ten": f"limit: {INTEGER}, not 'ten'.",
    "limit=1e3": f"limit: {INTEGER}, not '1e3'.",
    "limit=10&limit=20": "limit: must be given only once.",
    "limit=" + "1" * 5000: f"limit: {INTEGER}, not '1111",
    "skip=-1": "skip: Input should be greater than or equal to 0, not '-1'.",
    "skip=2147483648": "skip: Input should be less than or equal to 2147483647",
    "skip=x": f"skip: {INTEGER}, not 'x'.",
}
BAD_READS = BAD_PAGES | {
    "limit=1001": "limit: Input should be less than or equal to 1000, not '1001'.",
    "include=content": "include.0: Input should be 'seq', 'id' or 'created_at', not 'content'.",
    "include=seq&include=id": "include: must be given only once.",
}
BAD_LOGS = {
    "order=newest": "order: Input should be 'asc' or 'desc', not 'newest'.",
    "after_seq=-1": "after_seq: Input should be greater than or equal to 0, not '-1'.",
    "before_seq=x": "before_seq: must be an integer",
}
BAD_LISTS = BAD_PAGES | {
    "limit=101": "limit: Input should be less than or equal to 100, not '101'.",
    "sort_by=title": "sort_by: Input should be 'created_at' or 'last_active', not 'title'.",
    "sort_by=": "sort_by: Input should be 'created_at' or 'last_active', not ''.",
    "sort_by=$natural": "sort_by: Input should be 'created_at' or 'last_active'",
    "sort_order=2": "sort_order: Input should be -1 or 1, not '2'.",
    "sort_order=0": "sort_order: Input should be -1 or 1, not '0'.",
    "sort_order=desc": "sort_order: Input should be -1 or 1, not 'desc'.",
}

ROLES = "Input should be 'user', 'assistant', 'system', 'developer', 'tool' or 'function'"
NOTHING = "content: is missing, and so is everything else"
DEEP: Any = "leaf"
for _ in range(33):
    DEEP = {"deeper": DEEP}
SURROGATE = "NUL characters or lone surrogates"

BAD_MESSAGES: list[tuple[Any, str]] = [
    ({}, "role: is required."),
    ({"content": "x"}, "role: is required."),
    ({"role": None, "content": "x"}, f"role: {ROLES}, not None."),
    ({"role": "robot", "content": "x"}, f"role: {ROLES}, not 'robot'."),
    ({"role": "User", "content": "x"}, f"role: {ROLES}, not 'User'."),
    ({"role": ["user"], "content": "x"}, f"role: {ROLES}"),
    ({"role": "user"}, NOTHING),
    ({"role": "user", "content": None}, NOTHING),
    ({"role": "user", "refusal": None, "id": "1", "seq": 2, "created_at": "now"}, NOTHING),
    ({"role": "user", "surprise": "a\x00b"}, "extra fields: must not contain NUL characters"),
    ({"role": "user", "surprise": DEEP}, "extra fields: must not be nested deeper"),
    ({"role": "user", "content": 5}, "content"),
    ({"role": "user", "content": {"type": "text"}}, "content"),
    ({"role": "user", "content": ["text"]}, "content"),
    ({"role": "user", "content": "a\x00b"}, "content: must not contain NUL characters"),
    ({"role": "user", "content": "x", "name": ""}, "name: must be 1 to 128 characters long"),
    ({"role": "user", "content": "x", "name": 5}, "name: Input should be a valid string, not 5."),
    ({"role": "user", "content": "x", "metadata": []}, "metadata: Input should be a valid"),
    ({"role": "user", "content": "x", "metadata": {"a": DEEP}}, "nested deeper than 32 levels"),
    ({"role": "user", "content": "x", "metadata": {"a": 2**63}}, "must fit into 64 bits"),
    ({"role": "user", "content": "x", "metadata": {"a\x00": 1}}, "metadata: must not contain NUL"),
    ({"role": "user", "content": "x", "tool_calls": [{}]}, "tool_calls: only messages with"),
    ({"role": "assistant", "tool_calls": "f"}, "tool_calls: Input should be a valid list"),
    ({"role": "user", "content": "x", "id": 7}, "id: Input should be a valid string, not 7."),
]

BAD_BODIES: list[tuple[bytes, str]] = [
    (b"", "The body is not JSON"),
    (b"hello", "The body is not JSON"),
    (b'{"role": "user", "content": "x"', "The body is not JSON"),
    (b'{"role": "user", "content": "x"} x', "The body is not JSON"),
    (b"[]", "The body must be a JSON object."),
    (b'"text"', "The body must be a JSON object."),
    (b"null", "The body must be a JSON object."),
    (b"\xff\xfe", "it is not in UTF-8"),
    (b'{"role": "user", "content": "\xff"}', "it is not UTF-8 at byte 29"),
    (
        b'{"role": "user", "content": "\\ud800"}',
        "content: half of a surrogate pair",
    ),
    (b'{"role": "user", "content": "x", "metadata": {"a": NaN}}', "NaN is not a value of JSON"),
    (b'{"role": "user", "content": "x", "metadata": {"a": 1e999}}', "numbers must be finite"),
    (b"[" * 100_000, "The body is not JSON"),
    (b'{"a":' * 100_000, "The body is not JSON"),
]


@pytest.mark.parametrize("query", BAD_CREATES, ids=lambda query: query[:40])
async def test_a_bad_create_is_400_and_says_why(alice: Api, query: str) -> None:
    answer = await alice.ask("POST", f"/create?{query}")

    assert answer.status_code == 400
    assert answer.json().keys() == {"message", "error", "code"}
    assert answer.json()["message"] == FAILURES["create"]
    assert BAD_CREATES[query] in answer.json()["error"]


@pytest.mark.parametrize("query", BAD_READS, ids=lambda query: query[:40])
@pytest.mark.parametrize("route", ["history", "recent", "get"])
async def test_a_bad_window_is_400_and_says_why(alice: Api, route: str, query: str) -> None:
    path = {"recent": "history/recent"}.get(route, route)
    session_id = await alice.create()

    answer = await alice.ask("GET", f"/{path}/{session_id}?{query}")

    assert answer.status_code == 400
    assert answer.json()["message"] == FAILURES[route]
    assert BAD_READS[query] in answer.json()["error"]


@pytest.mark.parametrize("query", BAD_LOGS)
async def test_a_bad_page_by_number_is_400_and_says_why(alice: Api, query: str) -> None:
    session_id = await alice.create()

    answer = await alice.ask("GET", f"/history/{session_id}?{query}")

    assert answer.status_code == 400
    assert BAD_LOGS[query] in answer.json()["error"]


@pytest.mark.parametrize("query", BAD_LISTS, ids=lambda query: query[:40])
@pytest.mark.parametrize("route", ["get_all", "get_by_agent"])
async def test_a_bad_list_is_400_and_says_why(alice: Api, route: str, query: str) -> None:
    answer = await alice.ask("GET", f"/{route}/{alice.user_id}?{query}")

    assert answer.status_code == 400
    assert answer.json()["message"] == FAILURES[route]
    assert BAD_LISTS[query] in answer.json()["error"]


@pytest.mark.parametrize(("body", "problem"), BAD_MESSAGES, ids=lambda value: str(value)[:60])
async def test_a_bad_message_is_400_says_why_and_stores_nothing(
    alice: Api, body: Any, problem: str
) -> None:
    session_id = await alice.create()

    answer = await alice.update(session_id, body)

    assert answer.status_code == 400
    assert answer.json()["message"] == FAILURES["update"]
    assert problem in answer.json()["error"]
    assert await alice.history(session_id) == []


@pytest.mark.parametrize(("body", "problem"), BAD_BODIES, ids=lambda value: str(value)[:40])
async def test_a_body_that_is_not_a_json_object_is_400(
    alice: Api, body: bytes, problem: str
) -> None:
    session_id = await alice.create()

    answer = await alice.ask(
        "POST",
        f"/history/update/{session_id}",
        content=body,
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 400
    assert answer.json()["message"] == FAILURES["update"]
    assert problem in answer.json()["error"]


@pytest.mark.parametrize(
    ("field", "limit_bytes", "value"),
    [
        ("content", MAX_CONTENT_BYTES, lambda size: "é" * (size // 2) + "e" * (size % 2)),
        ("metadata", MAX_METADATA_BYTES, lambda size: {"a": "b" * (size - len('{"a":""}'))}),
    ],
    ids=["content", "metadata"],
)
async def test_a_field_may_reach_its_limit_and_one_byte_more_is_413(
    alice: Api, field: str, limit_bytes: int, value: Any
) -> None:
    session_id = await alice.create()
    message = {"role": "user", "content": "x"}

    fits = await alice.update(session_id, message | {field: value(limit_bytes)})
    too_large = await alice.update(session_id, message | {field: value(limit_bytes + 1)})

    assert fits.status_code == 200
    assert too_large.status_code == 413
    assert too_large.json() == {
        "message": FAILURES["update"],
        "error": f"{field} is {limit_bytes + 1} bytes long, the limit is {limit_bytes}.",
        "code": "too_large",
    }
    assert len(await alice.history(session_id)) == 1


@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
async def test_a_body_over_the_limit_is_413(alice: Api, *, announced: bool) -> None:
    session_id = await alice.create()
    body = b" " * (1024 * 1024 + 1)

    async def chunks() -> Any:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    answer = await alice.ask(
        "POST",
        f"/history/update/{session_id}",
        content=body if announced else chunks(),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 413
    assert "the limit is 1048576" in answer.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
    ids=str,
)
async def test_a_body_that_is_not_plain_json_is_415(alice: Api, headers: dict[str, str]) -> None:
    session_id = await alice.create()

    answer = await alice.ask(
        "POST", f"/history/update/{session_id}", content=b"{}", headers=headers
    )

    assert answer.status_code == 415
    assert answer.json()["message"] == FAILURES["update"]
    assert answer.json()["error"].startswith("Send the body")


async def test_a_json_body_may_name_its_charset(alice: Api) -> None:
    session_id = await alice.create()

    answer = await alice.ask(
        "POST",
        f"/history/update/{session_id}",
        content='{"role": "user", "content": "é"}'.encode(),
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    )

    assert answer.status_code == 200


NO_SESSION = [
    "session123",
    UNKNOWN_ID,
    "00000000-0000-0000-0000-000000000000",
    "{00000000-0000-4000-8000-000000000000}",
    "0" * 32,
    "0" * 5000,
    "%00",
    "%ED%A0%80",
    "$ne",
    "[object Object]",
]
ROUTES_OF_ONE_SESSION = {
    "delete": ("DELETE", "/delete/"),
    "history": ("GET", "/history/"),
    "update": ("POST", "/history/update/"),
    "recent": ("GET", "/history/recent/"),
    "get": ("GET", "/get/"),
}


@pytest.mark.parametrize("session_id", NO_SESSION, ids=lambda text: text[:40])
@pytest.mark.parametrize("route", ROUTES_OF_ONE_SESSION)
async def test_an_unknown_session_is_404_whatever_its_id(
    alice: Api, route: str, session_id: str
) -> None:
    method, path = ROUTES_OF_ONE_SESSION[route]
    options = {"json": {"role": "user", "content": "x"}} if method == "POST" else {}

    answer = await alice.ask(method, path + session_id, **options)

    assert answer.status_code == 404
    assert answer.json() == {
        "message": FAILURES[route],
        "error": "Session not found.",
        "code": "session_not_found",
    }


@pytest.mark.parametrize(
    "path", ["/nothing", "/create//", "/sessions/create/x", "/history", "/get/"]
)
async def test_an_unknown_path_is_404_in_json(alice: Api, path: str) -> None:
    answer = await alice.get(path)

    assert answer.status_code == 404
    assert answer.json().keys() == {"message", "error", "code"}


@pytest.mark.parametrize(("method", "path"), [("GET", "/create"), ("PUT", "/get_all/x")])
async def test_a_wrong_method_is_405_in_json(alice: Api, method: str, path: str) -> None:
    answer = await alice.ask(method, path)

    assert answer.status_code == 405
    assert answer.json().keys() == {"message", "error", "code"}
    assert "allow" in answer.headers
