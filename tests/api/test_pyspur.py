"""The PySpur dialect, row by row: sessions at `/session/`, and the same under `/api`."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.api.dialects.pyspur.endpoints import MAX_MESSAGES, MESSAGES_IN_LISTS, MESSAGES_PER_READ
from service.app import SessionService
from tests.api.asking import Api
from tests.api.pyspur_asking import (
    each_mount,
    fill,
    listed,
    make_session,
    show,
    texts,
)

CALLS = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
PARTS = [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": "x"}},
]


# POST /session/


@each_mount
async def test_create_shows_the_new_session(alice: Api, mount: str) -> None:
    before = datetime.now(UTC).replace(microsecond=0)

    session = await make_session(alice, mount, workflow_id="agent 1", external_id="thread 1")

    assert UUID(session.pop("id")).version == 4
    created, updated = session.pop("created_at"), session.pop("updated_at")
    assert before <= datetime.fromisoformat(created) <= datetime.now(UTC)
    assert created.endswith("Z")
    assert updated == created
    assert session == {
        "user_id": alice.user_id,
        "workflow_id": "agent 1",
        "external_id": "thread 1",
        "messages": [],
    }


@each_mount
async def test_the_same_external_id_gives_the_same_session(alice: Api, mount: str) -> None:
    first = await make_session(alice, mount, external_id="thread")
    await alice.say(first["id"], "hello")

    second = await make_session(alice, mount, external_id="thread", workflow_id="another")

    assert second["id"] == first["id"]
    assert second["workflow_id"] == "agent"
    assert texts(second) == ["hello"]


async def test_without_an_external_id_each_create_makes_a_new_session(alice: Api) -> None:
    first = await make_session(alice)
    second = await make_session(alice, external_id=None)

    assert first["id"] != second["id"]
    assert second["external_id"] is None


async def test_unknown_fields_are_ignored(alice: Api) -> None:
    session = await make_session(alice, id="mine", is_test=True, messages=[1], key="k")

    assert session["id"] != "mine"
    assert session["external_id"] is None
    assert session["messages"] == []


async def test_an_external_id_belongs_to_its_owner(alice: Api, bob: Api) -> None:
    first = await make_session(alice, external_id="thread")
    second = await make_session(bob, external_id="thread")

    assert first["id"] != second["id"]


async def test_racing_creates_of_one_external_id_agree(alice: Api) -> None:
    made = await asyncio.gather(*(make_session(alice, external_id="thread") for _ in range(20)))

    assert len({session["id"] for session in made}) == 1
    assert (await listed(alice))[1] == 1


async def test_an_external_id_is_free_again_after_a_delete(alice: Api) -> None:
    first = await make_session(alice, external_id="thread")
    await alice.ask("DELETE", f"/session/{first['id']}/")

    second = await make_session(alice, external_id="thread")

    assert first["id"] != second["id"]


# GET /session/{id}/


@each_mount
async def test_get_shows_the_session_with_its_messages_oldest_first(alice: Api, mount: str) -> None:
    made = await make_session(alice)
    await alice.say(made["id"], "one", "two", "three")

    answer = await alice.get(f"{mount}/session/{made['id']}/")

    session = answer.json()
    assert answer.status_code == 200
    assert texts(session) == ["one", "two", "three"]
    assert {field: session[field] for field in made if field not in {"messages", "updated_at"}} == {
        field: made[field] for field in made if field not in {"messages", "updated_at"}
    }
    assert session["updated_at"] == session["messages"][-1]["created_at"]


async def test_a_message_is_shown_with_all_its_fields(alice: Api) -> None:
    session_id = (await make_session(alice))["id"]
    await alice.update(session_id, {"role": "user", "content": "hi", "metadata": {"a": 1}})

    [message] = (await show(alice, session_id))["messages"]

    [native] = await alice.history(session_id, include="id,created_at")
    assert datetime.fromisoformat(message["created_at"]) == datetime.fromisoformat(
        native["created_at"]
    )
    assert message == {
        "id": native["id"],
        "session_id": session_id,
        "run_id": None,
        "content": {"role": "user", "content": "hi"},
        "created_at": message["created_at"],
        "updated_at": message["created_at"],
    }


@pytest.mark.parametrize(
    "sent",
    [
        {"role": "user", "content": "text", "name": "Ann"},
        {"role": "user", "content": PARTS},
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": None, "tool_calls": CALLS},
        {"role": "tool", "content": "42", "tool_call_id": "call_1"},
    ],
    ids=["name", "parts", "system", "tool calls", "tool"],
)
async def test_content_is_the_message_as_it_was_sent(alice: Api, sent: dict[str, Any]) -> None:
    session_id = (await make_session(alice))["id"]
    await alice.update(session_id, sent)

    [message] = (await show(alice, session_id))["messages"]

    assert message["content"] == sent


@pytest.mark.parametrize("count", [MESSAGES_PER_READ, MESSAGES_PER_READ + 1])
async def test_get_shows_all_messages_of_a_long_session(
    app: SessionService, alice: Api, count: int
) -> None:
    session_id = (await make_session(alice))["id"]
    await fill(app, alice, session_id, count)

    session = await show(alice, session_id)

    assert texts(session) == [str(number) for number in range(count)]


async def test_get_shows_the_newest_messages_of_a_very_long_session(
    app: SessionService, alice: Api
) -> None:
    session_id = (await make_session(alice))["id"]
    await fill(app, alice, session_id, MAX_MESSAGES + 2)

    session = await show(alice, session_id)

    assert texts(session) == [str(number) for number in range(2, MAX_MESSAGES + 2)]


# DELETE /session/{id}/


@each_mount
async def test_delete_returns_an_empty_204_and_the_session_is_gone(alice: Api, mount: str) -> None:
    session_id = (await make_session(alice))["id"]

    answer = await alice.ask("DELETE", f"{mount}/session/{session_id}/")

    assert answer.status_code == 204
    assert answer.content == b""
    assert (await alice.get(f"/session/{session_id}/")).status_code == 404
    assert await listed(alice) == ([], 0)


# GET /session/


@each_mount
async def test_a_list_shows_the_newest_sessions_first_with_their_messages(
    alice: Api, mount: str
) -> None:
    made = [await make_session(alice, external_id=str(number)) for number in range(3)]
    await alice.say(made[1]["id"], "one", "two")

    answer = await alice.get(f"{mount}/session/")

    sessions = answer.json()["sessions"]
    assert answer.status_code == 200
    assert [session["external_id"] for session in sessions] == ["2", "1", "0"]
    assert [texts(session) for session in sessions] == [[], ["one", "two"], []]
    assert sessions[1] == await show(alice, made[1]["id"])
    assert answer.json()["total"] == 3


async def test_a_list_is_paged_and_shows_the_total(alice: Api) -> None:
    for number in range(12):
        await make_session(alice, external_id=str(number))

    pages = [
        await listed(alice),
        await listed(alice, skip=10),
        await listed(alice, skip=1, limit=2),
        await listed(alice, skip=12, limit=100),
    ]

    assert [[int(session["external_id"]) for session in page] for page, _ in pages] == [
        [11, 10, 9, 8, 7, 6, 5, 4, 3, 2],
        [1, 0],
        [10, 9],
        [],
    ]
    assert {total for _, total in pages} == {12}


async def test_a_list_shows_only_the_newest_messages_of_each_session(
    app: SessionService, alice: Api
) -> None:
    for _ in range(2):
        session_id = (await make_session(alice))["id"]
        await fill(app, alice, session_id, MESSAGES_IN_LISTS + 5)

    sessions, _ = await listed(alice)

    newest = [str(number) for number in range(5, MESSAGES_IN_LISTS + 5)]
    assert [texts(session) for session in sessions] == [newest, newest]


async def test_listing_oneself_by_name_gives_ones_own_list(alice: Api) -> None:
    await make_session(alice)

    assert await listed(alice, user_id=alice.user_id) == await listed(alice)


async def test_the_list_of_an_unknown_user_is_empty(alice: Api, admin: Api) -> None:
    await make_session(alice)

    assert await listed(alice, user_id=f"nobody-{uuid4()}") == ([], 0)
    assert await listed(admin, user_id=f"nobody-{uuid4()}") == ([], 0)
