"""The native dialect, row by row: success, defaults, bounds, order."""

import re
from typing import Any
from uuid import UUID

import pytest

from tests.api.asking import Api
from tests.every import every
from tests.message_shapes import MESSAGE_SHAPES

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def test_create_returns_the_documented_message_and_the_id(alice: Api) -> None:
    answer = await alice.ask("POST", "/create?agent_id=agent123&max_context_results=3")

    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert body.keys() == {"message", "session_id"}
    assert body["message"] == "Chat session created successfully."
    assert UUID(body["session_id"]).version == 4


async def test_a_created_session_has_what_it_was_given_and_the_defaults(alice: Api) -> None:
    session_id = await alice.create("agent123")

    data = (await alice.get(f"/get/{session_id}")).json()["data"]

    assert TIME.fullmatch(data["created_at"])
    assert data == {
        "session_id": session_id,
        "agent_id": "agent123",
        "user_id": alice.user_id,
        "created_at": data["created_at"],
        "last_active": data["created_at"],
        "message_count": 0,
        "max_context_results": 1,
        "history": [],
    }


async def test_create_keeps_title_key_and_context_results(alice: Api) -> None:
    session_id = await alice.create(title="Plans für heute", key="k:1", max_context_results=7)

    data = (await alice.get(f"/get/{session_id}")).json()["data"]

    assert data["title"] == "Plans für heute"
    assert data["key"] == "k:1"
    assert data["max_context_results"] == 7


async def test_create_ignores_a_body(alice: Api) -> None:
    answer = await alice.ask("POST", "/create?agent_id=a", content=b"not read")

    assert answer.status_code == 200


async def test_a_second_session_with_the_same_key_is_409(alice: Api) -> None:
    await alice.create(key="mine")

    answer = await alice.ask("POST", "/create?agent_id=a&key=mine")

    assert answer.status_code == 409
    assert answer.json() == {
        "message": "Failed to create session.",
        "error": "You already have a session with the key 'mine'. Choose another key.",
        "code": "session_key_taken",
    }


async def test_two_users_may_have_the_same_key(alice: Api, bob: Api) -> None:
    first = await alice.create(key="same")

    second = await bob.create(key="same")

    assert first != second


async def test_update_returns_the_documented_message_and_nothing_else(alice: Api) -> None:
    session_id = await alice.create()

    answer = await alice.update(session_id, {"role": "user", "content": "Hello"})

    assert answer.status_code == 200
    assert answer.json() == {"message": "Session history updated successfully."}


async def test_history_shows_exactly_what_was_sent(alice: Api) -> None:
    session_id = await alice.create()
    sent = [
        {"role": "system", "content": "Be kind. 你好 🙂 \u0301"},
        {"role": "user", "content": "Hello", "name": "Alice", "metadata": {"$set": {"a.b": 1.0}}},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function"}]},
        {"role": "tool", "content": "42", "tool_call_id": "c1"},
        {"role": "user", "content": [{"type": "text", "text": "and this?"}], "metadata": {}},
    ]
    for message in sent:
        await alice.update(session_id, message)

    answer = await alice.get(f"/history/{session_id}")

    assert answer.json() == {"message": "Session history retrieved successfully.", "data": sent}


async def test_messages_are_shown_as_they_came(alice: Api) -> None:
    session_id = await alice.create()
    for shape in MESSAGE_SHAPES:
        answer = await alice.update(session_id, shape)
        assert answer.status_code == 200, (shape, answer.text)

    shown = await alice.history(session_id, limit=1000)

    assert shown == [{"content": None} | shape for shape in MESSAGE_SHAPES]


async def test_a_message_that_was_read_can_be_sent_again(alice: Api) -> None:
    session_id = await alice.create()
    await alice.update(session_id, {"role": "user", "content": "x", "surprise": 1})
    [message] = await alice.history(session_id, include="seq,id,created_at")

    for _ in range(2):
        await alice.update(session_id, message)

    assert await alice.history(session_id) == [{"role": "user", "content": "x", "surprise": 1}] * 2


async def test_unknown_fields_are_part_of_what_a_repeated_message_must_equal(alice: Api) -> None:
    session_id = await alice.create()
    message = {"role": "user", "content": "x", "id": "1"}
    await alice.update(session_id, message | {"surprise": 1})

    same = await alice.update(session_id, message | {"surprise": 1, "name": None})
    other = await alice.update(session_id, message | {"surprise": 2})

    assert (same.status_code, other.status_code) == (200, 409)


async def test_an_empty_include_adds_nothing(alice: Api) -> None:
    session_id = await alice.create()
    await alice.say(session_id, "Hello")

    data = await alice.history(session_id, include="")

    assert data == [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"order": "desc"}, "edcba"),
        ({"order": "desc", "limit": 2, "skip": 1}, "dc"),
        ({"after_seq": 2}, "cde"),
        ({"after_seq": 2, "limit": 2}, "cd"),
        ({"before_seq": 3}, "ab"),
        ({"before_seq": 4, "order": "desc", "limit": 2}, "cb"),
        ({"after_seq": 1, "before_seq": 5}, "bcd"),
        ({"after_seq": 5}, ""),
        ({"before_seq": 0}, ""),
    ],
    ids=str,
)
async def test_history_pages_by_number_in_both_orders(
    alice: Api, query: dict[str, Any], shown: str
) -> None:
    session_id = await alice.create()
    await alice.say(session_id, *"abcde")

    for _ in range(2):  # The second time from what is kept.
        data = await alice.history(session_id, **query)
        assert "".join(message["content"] for message in data) == shown


async def test_include_adds_the_services_own_fields(alice: Api) -> None:
    session_id = await alice.create()
    await alice.say(session_id, "one", "two")

    data = await alice.history(session_id, include="seq,id,created_at")

    assert [message["seq"] for message in data] == [1, 2]
    assert len({UUID(message["id"]) for message in data}) == 2
    assert every(TIME.fullmatch(message["created_at"]) for message in data)
    assert data[0].keys() == {"role", "content", "seq", "id", "created_at"}


async def test_history_counts_from_the_beginning_and_recent_from_the_end(alice: Api) -> None:
    session_id = await alice.create()
    await alice.say(session_id, *"abcdefg")

    async def contents(path: str) -> str:
        data = (await alice.get(path)).json()["data"]
        return "".join(message["content"] for message in data)

    assert await contents(f"/history/{session_id}?limit=3") == "abc"
    assert await contents(f"/history/{session_id}?limit=3&skip=2") == "cde"
    assert await contents(f"/history/{session_id}?limit=3&skip=6") == "g"
    assert await contents(f"/history/{session_id}?skip=7") == ""
    assert await contents(f"/history/recent/{session_id}?limit=3") == "efg"
    assert await contents(f"/history/recent/{session_id}?limit=3&skip=2") == "cde"
    assert await contents(f"/history/recent/{session_id}?limit=3&skip=6") == "a"
    assert await contents(f"/history/recent/{session_id}?skip=2147483647") == ""


async def test_reads_show_20_messages_by_default(alice: Api) -> None:
    session_id = await alice.create()
    await alice.say(session_id, *(str(n) for n in range(1, 23)))

    history = (await alice.get(f"/history/{session_id}")).json()["data"]
    recent = (await alice.get(f"/history/recent/{session_id}")).json()
    details = (await alice.get(f"/get/{session_id}")).json()

    assert [message["content"] for message in history] == [str(n) for n in range(1, 21)]
    assert [message["content"] for message in recent["data"]] == [str(n) for n in range(3, 23)]
    assert recent["message"] == "Recent session history retrieved successfully."
    assert details["data"]["history"] == recent["data"]
    assert details["message"] == "Session details retrieved successfully."


async def test_details_follow_the_log(alice: Api) -> None:
    session_id = await alice.create()
    await alice.say(session_id, "first", "x" * 500)

    data = (await alice.get(f"/get/{session_id}", limit=1, skip=1, include="seq")).json()["data"]

    assert data["message_count"] == 2
    assert data["preview"] == {"role": "user", "text": "x" * 200}
    assert data["last_active"] >= data["created_at"]
    assert data["history"] == [{"role": "user", "content": "first", "seq": 1}]


async def test_delete_returns_the_documented_message_and_the_session_is_gone(alice: Api) -> None:
    session_id = await alice.create()
    await alice.say(session_id, "bye")

    answer = await alice.ask("DELETE", f"/delete/{session_id}")

    assert answer.status_code == 200
    assert answer.json() == {"message": "Chat session deleted successfully."}
    assert (await alice.get(f"/get/{session_id}")).status_code == 404
    assert (await alice.get(f"/history/{session_id}")).status_code == 404
    assert (await alice.update(session_id, {"role": "user", "content": "x"})).status_code == 404
    assert (await alice.ask("DELETE", f"/delete/{session_id}")).status_code == 404
    assert (await alice.get(f"/get_all/{alice.user_id}")).json()["data"] == []


async def test_lists_are_newest_first_and_paged(alice: Api) -> None:
    made = [await alice.create() for _ in range(5)]

    async def ids(**params: str | int) -> list[str]:
        data = (await alice.get(f"/get_all/{alice.user_id}", **params)).json()["data"]
        return [session["session_id"] for session in data]

    assert await ids(sort_order=1) == list(reversed(await ids()))
    assert set(await ids()) == set(made)
    assert await ids(limit=2) + await ids(limit=2, skip=2) + await ids(skip=4) == await ids()
    assert await ids(skip=5) == []


async def test_lists_sort_by_last_activity(alice: Api) -> None:
    first, second = await alice.create(), await alice.create()
    await alice.say(second, "x")
    await alice.say(first, "later")

    path = f"/get_all/{alice.user_id}?sort_by=last_active"
    data = (await alice.get(path)).json()["data"]

    assert [session["session_id"] for session in data] == [first, second]


async def test_lists_show_heads_as_documented(alice: Api) -> None:
    session_id = await alice.create("agent123", title="T")
    await alice.say(session_id, "hello")

    answer = (await alice.get(f"/get_all/{alice.user_id}")).json()

    [session] = answer["data"]
    assert answer["message"] == "User sessions retrieved successfully."
    assert session.keys() == {
        *("session_id", "agent_id", "user_id", "created_at", "last_active", "message_count"),
        *("max_context_results", "title", "preview"),
    }


async def test_lists_show_20_sessions_by_default(alice: Api) -> None:
    for _ in range(21):
        await alice.create()

    default = (await alice.get(f"/get_all/{alice.user_id}")).json()["data"]
    most = (await alice.get(f"/get_all/{alice.user_id}?limit=100")).json()["data"]

    assert (len(default), len(most)) == (20, 21)


async def test_get_by_agent_shows_the_callers_sessions_with_that_agent(
    alice: Api, bob: Api, agent_id: str
) -> None:
    own = await alice.create(agent_id)
    await alice.create("another agent")
    await bob.create(agent_id)

    answer = (await alice.get(f"/get_by_agent/{agent_id}")).json()

    assert answer["message"] == "Agent sessions retrieved successfully."
    assert [session["session_id"] for session in answer["data"]] == [own]


@pytest.mark.parametrize("name", ["https://issuer.example/u/1", "auth0|5f", "a b", "ü/é", "$where"])
async def test_user_and_agent_ids_may_contain_any_characters(alice: Api, name: str) -> None:
    agent_id = f"{name}{alice.user_id}"
    session_id = await alice.create(agent_id)

    quoted = "".join(f"%{byte:02X}" for byte in agent_id.encode())
    data = (await alice.get(f"/get_by_agent/{quoted}")).json()["data"]

    assert [session["session_id"] for session in data] == [session_id]


async def test_everything_is_also_served_under_sessions(alice: Api) -> None:
    answer = await alice.ask("POST", "/sessions/create?agent_id=a")
    session_id = answer.json()["session_id"]
    message = {"role": "user", "content": "x"}
    updated = await alice.ask("POST", f"/sessions/history/update/{session_id}", json=message)

    assert updated.status_code == 200
    assert (await alice.get(f"/sessions/history/{session_id}")).json()["data"] == [message]
    assert (await alice.get(f"/sessions/history/recent/{session_id}")).json()["data"] == [message]
    assert (await alice.get(f"/sessions/get/{session_id}")).json()["data"]["history"] == [message]
    assert len((await alice.get(f"/sessions/get_all/{alice.user_id}")).json()["data"]) == 1
    assert (await alice.get("/sessions/get_by_agent/a")).json()["data"] != []
    assert (await alice.ask("DELETE", f"/sessions/delete/{session_id}")).status_code == 200


async def test_a_session_id_may_be_written_in_capitals(alice: Api) -> None:
    session_id = await alice.create()

    answer = await alice.get(f"/get/{session_id.upper()}")

    assert answer.json()["data"]["session_id"] == session_id


async def test_get_all_without_a_user_lists_the_callers_own_sessions(
    alice: Api, bob: Api, admin: Api
) -> None:
    session_id = await alice.create()

    for path in ("/get_all", "/get_all/", "/sessions/get_all"):
        data = (await alice.get(path)).json()["data"]
        assert [session["session_id"] for session in data] == [session_id]
    for other in (bob, admin):
        assert (await other.get("/get_all")).json()["data"] == []
