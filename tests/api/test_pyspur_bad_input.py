"""Bad input gets a 422 in FastAPI's shape that says what is wrong, and stores nothing."""

from typing import Any

import httpx2
import pytest

from service.api.dialects.pyspur.views import MAX_INPUT_CHARS
from service.domain.rules import MAX_ID_CHARS, MAX_KEY_CHARS, MAX_METADATA_BYTES
from tests.api.asking import Api
from tests.api.pyspur_asking import each_mount, listed, make_session

ME = "the caller"
INTEGER = "must be an integer of at most 18 digits"
STRING = "Input should be a valid string"

# The body, then the field that is wrong and what the error says about it.
BAD_SESSIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"workflow_id": "w"}, "user_id", "Field required"),
    ({"user_id": ME}, "workflow_id", "Field required"),
    ({"user_id": None, "workflow_id": "w"}, "user_id", STRING),
    ({"user_id": ME, "workflow_id": None}, "workflow_id", STRING),
    ({"user_id": ME, "workflow_id": 7}, "workflow_id", STRING),
    ({"user_id": ME, "workflow_id": 10**30}, "workflow_id", STRING),
    ({"user_id": ME, "workflow_id": ["w"]}, "workflow_id", STRING),
    ({"user_id": {"$ne": ""}, "workflow_id": "w"}, "user_id", STRING),
    ({"user_id": "", "workflow_id": "w"}, "user_id", "must be 1 to 256 characters long"),
    ({"user_id": ME, "workflow_id": ""}, "workflow_id", "must be 1 to 256 characters long"),
    ({"user_id": ME, "workflow_id": "a\x00b"}, "workflow_id", "must not contain NUL"),
    ({"user_id": ME, "workflow_id": "w" * 257}, "workflow_id", "not 257"),
    ({"user_id": ME, "workflow_id": "w", "external_id": ""}, "external_id", "not 0"),
    ({"user_id": ME, "workflow_id": "w", "external_id": 5}, "external_id", STRING),
    ({"user_id": ME, "workflow_id": "w", "external_id": "k" * 257}, "external_id", "not 257"),
    ({"user_id": ME, "workflow_id": "w", "external_id": "a\x00"}, "external_id", "NUL"),
]
BAD_USERS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "external_id", "Field required"),
    ({"external_id": None}, "external_id", STRING),
    ({"external_id": ME, "user_metadata": []}, "user_metadata", "valid dictionary"),
    ({"external_id": ME, "user_metadata": "x"}, "user_metadata", "valid dictionary"),
    ({"external_id": ME, "user_metadata": {"n": 2**63}}, "user_metadata", "fit into 64 bits"),
    ({"external_id": ME, "user_metadata": {"a\x00": 1}}, "user_metadata", "NUL characters"),
]
BAD_PAGES = {
    "limit=0": ("limit", "greater than or equal to 1"),
    "limit=-1": ("limit", "greater than or equal to 1"),
    "limit=101": ("limit", "less than or equal to 100"),
    "limit=": ("limit", INTEGER),
    "limit=ten": ("limit", INTEGER),
    "limit=1.0": ("limit", INTEGER),
    "limit=null": ("limit", INTEGER),
    "limit=" + "9" * 5000: ("limit", INTEGER),
    "limit=1&limit=2": ("limit", "must be given only once"),
    "skip=-1": ("skip", "greater than or equal to 0"),
    "skip=2147483648": ("skip", "less than or equal to 2147483647"),
    "skip=x": ("skip", INTEGER),
    "skip=%FF": ("query string", "must be percent-encoded UTF-8"),
}
BAD_LISTS = BAD_PAGES | {
    "user_id=": ("user_id", "at least 1 character"),
    "user_id=" + "u" * 257: ("user_id", "not 257"),
    "user_id=a%00": ("user_id", "must not contain NUL"),
    "user_id=a&user_id=b": ("user_id", "must be given only once"),
}
BAD_TESTS = {
    "": ("workflow_id", "Field required"),
    "workflow_id=": ("workflow_id", "must be 1 to 256 characters long"),
    "workflow_id=" + "w" * 257: ("workflow_id", "not 257"),
    "workflow_id=a%00": ("workflow_id", "must not contain NUL"),
    "workflow_id=a&workflow_id=b": ("workflow_id", "must be given only once"),
}


def short(value: object) -> str:
    return str(value)[:50]


def assert_problem(answer: httpx2.Response, place: str, field: str, problem: str) -> None:
    assert answer.status_code == 422
    assert answer.json().keys() == {"detail"}
    [detail] = answer.json()["detail"]
    assert detail.keys() == {"type", "loc", "msg", "input"}
    assert detail["loc"] == [place, field]
    assert problem in detail["msg"]


@pytest.mark.parametrize(("body", "field", "problem"), BAD_SESSIONS, ids=short)
async def test_a_bad_session_is_422_and_says_why(
    alice: Api, body: dict[str, Any], field: str, problem: str
) -> None:
    sent = {name: alice.user_id if value == ME else value for name, value in body.items()}

    answer = await alice.ask("POST", "/session/", json=sent)

    assert_problem(answer, "body", field, problem)
    assert await listed(alice) == ([], 0)


@pytest.mark.parametrize(("body", "field", "problem"), BAD_USERS, ids=short)
async def test_a_bad_user_is_422_and_says_why(
    alice: Api, body: dict[str, Any], field: str, problem: str
) -> None:
    sent = {name: alice.user_id if value == ME else value for name, value in body.items()}

    answer = await alice.ask("POST", "/user/", json=sent)

    assert_problem(answer, "body", field, problem)
    assert (await alice.get(f"/user/{alice.user_id}/")).status_code == 404


@pytest.mark.parametrize(
    ("external_id", "problem"),
    [("", "not 0"), ("u" * 257, "not 257"), ("a\x00b", "NUL")],
    ids=short,
)
async def test_a_bad_external_id_of_a_user_is_422_and_says_why(
    admin: Api, external_id: str, problem: str
) -> None:
    answer = await admin.ask("POST", "/user/", json={"external_id": external_id})

    assert_problem(answer, "body", "external_id", problem)


async def test_bad_metadata_is_422_and_changes_nothing(alice: Api) -> None:
    made = (await alice.ask("POST", "/user/", json={"external_id": alice.user_id})).json()
    path = f"/user/{alice.user_id}/"

    answer = await alice.ask("PATCH", path, json={"user_metadata": {"a": "\x00"}})

    assert_problem(answer, "body", "user_metadata", "NUL")
    assert (await alice.get(path)).json() == made


@each_mount
@pytest.mark.parametrize("query", BAD_LISTS, ids=short)
async def test_a_bad_list_of_sessions_is_422_and_says_why(
    alice: Api, mount: str, query: str
) -> None:
    answer = await alice.ask("GET", f"{mount}/session/?{query}")

    assert_problem(answer, "query", *BAD_LISTS[query])


@pytest.mark.parametrize("query", BAD_PAGES, ids=short)
async def test_a_bad_list_of_users_is_422_and_says_why(alice: Api, query: str) -> None:
    answer = await alice.ask("GET", f"/user/?{query}")

    assert_problem(answer, "query", *BAD_PAGES[query])


@pytest.mark.parametrize("query", BAD_TESTS, ids=short)
async def test_a_bad_test_session_is_422_and_says_why(alice: Api, query: str) -> None:
    answer = await alice.ask("POST", f"/session/test/?{query}")

    assert_problem(answer, "query", *BAD_TESTS[query])
    assert await listed(alice) == ([], 0)


async def test_all_problems_are_reported_together(alice: Api) -> None:
    answer = await alice.ask("POST", "/session/", json={"workflow_id": 1})

    assert answer.json() == {
        "detail": [
            {
                "type": "missing",
                "loc": ["body", "user_id"],
                "msg": "Field required",
                "input": {"workflow_id": 1},
            },
            {
                "type": "string_type",
                "loc": ["body", "workflow_id"],
                "msg": "Input should be a valid string",
                "input": 1,
            },
        ]
    }


@pytest.mark.parametrize("sent", [10**30, 1.5, True, ["a"]], ids=str)
async def test_a_short_input_is_shown_as_it_was_sent(alice: Api, sent: object) -> None:
    answer = await alice.ask("POST", "/session/", json={"user_id": "u", "workflow_id": sent})

    assert answer.json()["detail"][0]["input"] == sent


async def test_a_long_input_is_shown_in_part(alice: Api) -> None:
    body = {"user_id": "u", "workflow_id": ["a" * 100_000]}

    answer = await alice.ask("POST", "/session/", json=body)

    assert answer.json()["detail"][0]["input"] == f'["{"a" * (MAX_INPUT_CHARS - 2)}…'


async def test_a_number_out_of_range_is_shown_as_null(alice: Api) -> None:
    answer = await alice.ask(
        "POST",
        "/session/",
        content=b'{"user_id": "u", "workflow_id": 1e999}',
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["input"] is None


async def test_a_text_may_reach_its_limit(alice: Api) -> None:
    workflow_id, external_id = "w" * MAX_ID_CHARS, "k" * MAX_KEY_CHARS

    session = await make_session(alice, workflow_id=workflow_id, external_id=external_id)

    assert (session["workflow_id"], session["external_id"]) == (workflow_id, external_id)


@pytest.mark.parametrize(("too_much", "status"), [(0, 200), (1, 413)])
async def test_metadata_may_reach_its_limit_and_no_more(
    alice: Api, too_much: int, status: int
) -> None:
    metadata = {"a": "b" * (MAX_METADATA_BYTES - len('{"a":""}') + too_much)}
    body = {"external_id": alice.user_id, "user_metadata": metadata}

    answer = await alice.ask("POST", "/user/", json=body)

    assert answer.status_code == status
