"""Several messages in one request: all or none, in their place, once."""

from typing import Any

import httpx2
import pytest

from tests.api.asking import Api

KEY = {"Idempotency-Key": "turn-1"}
TURN = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello", "model": "m"}]


async def append(
    api: Api, session_id: str, messages: Any, headers: dict[str, str] | None = None, **body: Any
) -> httpx2.Response:
    body = {"messages": messages} | body
    return await api.ask("POST", f"/history/append/{session_id}", json=body, headers=headers or {})


async def test_messages_are_appended_in_their_order_with_their_places(alice: Api) -> None:
    session_id = await alice.create()

    answer = await append(alice, session_id, TURN)

    shown = await alice.history(session_id, include="seq,id")
    assert answer.status_code == 200
    assert answer.json() == {
        "message": "Session history updated successfully.",
        "data": [{"seq": message["seq"], "id": message["id"]} for message in shown],
    }
    assert [message["seq"] for message in shown] == [1, 2]
    assert await alice.history(session_id) == TURN


async def test_if_one_message_is_bad_none_is_stored_and_the_error_names_it(alice: Api) -> None:
    session_id = await alice.create()

    wrong = await append(alice, session_id, [*TURN, {"role": "user"}])
    large = await append(alice, session_id, [*TURN, {"role": "user", "content": "x" * 300_000}])

    assert wrong.status_code == 400
    assert wrong.json()["error"].startswith("messages.2.content: is missing")
    assert large.status_code == 413
    assert large.json()["error"].startswith("messages.2.content is 300000 bytes long")
    assert await alice.history(session_id) == []


@pytest.mark.parametrize("headers", [KEY, {}], ids=["header", "ids in the body"])
async def test_a_repeated_append_is_stored_once(alice: Api, headers: dict[str, str]) -> None:
    session_id = await alice.create()
    messages = [message | {"id": f"m{n}"} for n, message in enumerate(TURN)]
    first = await append(alice, session_id, messages, headers, if_end=0)
    await alice.say(session_id, "between")

    again = await append(alice, session_id, messages, headers, if_end=0)
    other = await append(alice, session_id, messages[::-1], headers)

    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert other.status_code == (409 if headers else 200)
    assert len(await alice.history(session_id)) == 3


async def test_if_end_refuses_an_append_behind_what_its_writer_has_not_seen(alice: Api) -> None:
    session_id = await alice.create()
    await alice.say(session_id, "one", "two")

    late = await append(alice, session_id, TURN, if_end=1)
    then = await append(alice, session_id, TURN, if_end=2)

    assert (late.status_code, then.status_code) == (409, 200)
    assert late.json() == {
        "message": "Failed to update session history.",
        "error": "The log ends at 2, not at if_end. Read it, then append again.",
        "code": "log_ends_elsewhere",
    }
    assert len(await alice.history(session_id)) == 4


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "messages: is required"),
        ({"messages": []}, "messages: List should have at least 1 item"),
        ({"messages": [TURN[0]] * 101}, "messages: List should have at most 100 items"),
        ({"messages": [{"content": "x"}]}, "messages.0.role: is required"),
        ({"messages": TURN, "if_end": -1}, "if_end: Input should be greater than or equal to 0"),
        ({"messages": TURN, "if_end": "2"}, "if_end: Input should be a valid integer"),
        ({"messages": [TURN[0] | {"id": "1"}] * 2}, "messages: must not share an idempotency key"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_bad_append_is_400_and_says_why(alice: Api, body: Any, problem: str) -> None:
    session_id = await alice.create()

    answer = await alice.ask("POST", f"/history/append/{session_id}", json=body)

    assert answer.status_code == 400
    assert problem in answer.json()["error"]
    assert await alice.history(session_id) == []
