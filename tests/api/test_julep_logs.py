"""Histories, messages, tools and suggestions in the Julep dialect."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.api.asking import Api
from tests.api.julep_asking import TOOL, add, history, make_session, show, time_of, update


async def test_a_message_is_returned_and_shown_in_the_history(alice: Api) -> None:
    session_id = await make_session(alice)

    added = await add(alice, session_id, role="user", content="Hello", name="ann")

    assert added.keys() == {"id", "role", "content", "name", "created_at"}
    assert UUID(added["id"]).version == 4
    assert time_of(added["created_at"]) <= datetime.now(UTC)
    assert (added["role"], added["content"], added["name"]) == ("user", "Hello", "ann")
    assert await history(alice, session_id) == [added]


@pytest.mark.parametrize("path", ["history", "messages"])
async def test_the_history_shows_messages_oldest_first_in_pages(alice: Api, path: str) -> None:
    session_id = await make_session(alice)
    added = [await add(alice, session_id, role="user", content=str(n)) for n in range(5)]

    async def page(**params: Any) -> Any:
        return (await alice.get(f"/sessions/{session_id}/{path}", **params)).json()

    assert await page() == {"items": added}
    assert await page(limit=2) == {"items": added[:2]}
    assert await page(limit=2, offset=4) == {"items": added[4:]}
    assert await page(offset=5) == {"items": []}


async def test_a_deleted_history_is_empty_and_the_session_stays(alice: Api) -> None:
    session_id = await make_session(alice, situation="kept")
    await add(alice, session_id, role="user", content="forget me")

    answer = await alice.ask("DELETE", f"/sessions/{session_id}/history")

    assert answer.status_code == 202
    assert answer.json().keys() == {"id", "deleted_at"}
    assert answer.json()["id"] == session_id
    assert await history(alice, session_id) == []
    assert (await show(alice, session_id))["situation"] == "kept"


async def test_a_history_continues_after_it_was_deleted(alice: Api) -> None:
    session_id = await make_session(alice)
    await add(alice, session_id, role="user", content="before")
    await alice.ask("DELETE", f"/sessions/{session_id}/history")

    added = await add(alice, session_id, role="user", content="after")

    assert await history(alice, session_id) == [added]


async def test_a_session_without_tools_lists_none(alice: Api) -> None:
    session_id = await make_session(alice)

    answer = await alice.get(f"/sessions/{session_id}/tools")

    assert (answer.status_code, answer.json()) == (200, {"items": []})


async def test_each_tool_is_listed_with_a_stable_id_of_its_own(alice: Api) -> None:
    session_id = await make_session(alice, tools=[TOOL, TOOL | {"id": "the client's"}])

    tools = (await alice.get(f"/sessions/{session_id}/tools")).json()["items"]
    again = (await alice.get(f"/sessions/{session_id}/tools")).json()["items"]

    assert [{k: v for k, v in tool.items() if k != "id"} for tool in tools] == [TOOL, TOOL]
    assert [UUID(tool["id"]).version for tool in tools] == [4, 4]
    assert tools[0]["id"] != tools[1]["id"]
    assert tools == again


async def test_an_update_replaces_the_tools(alice: Api) -> None:
    session_id = await make_session(alice, tools=[TOOL])
    other = {"type": "function", "function": {"name": "other"}}

    await update(alice, "PATCH", session_id, tools=[other])

    [tool] = (await alice.get(f"/sessions/{session_id}/tools")).json()["items"]
    assert tool["function"] == {"name": "other"}


async def test_without_a_model_there_are_no_suggestions(alice: Api) -> None:
    session_id = await make_session(alice)
    await add(alice, session_id, role="user", content="Hello")

    answer = await alice.get(f"/sessions/{session_id}/suggestions")

    assert (answer.status_code, answer.json()) == (200, {"items": []})


async def test_without_a_model_chat_says_what_to_set(alice: Api) -> None:
    session_id = await make_session(alice)

    body = {"messages": [{"role": "user", "content": "Hello"}]}
    answer = await alice.ask("POST", f"/sessions/{session_id}/chat", json=body)

    assert answer.status_code == 503
    assert answer.json().keys() == {"detail"}
    assert "SESSIONS_LLM_BASE_URL" in answer.json()["detail"]
    assert await history(alice, session_id) == []
