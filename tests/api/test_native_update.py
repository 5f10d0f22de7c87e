"""Changing a session: what is given changes, null removes, the rest stays."""

from typing import Any

import httpx2
import pytest

from tests.api.asking import Api


async def change(api: Api, session_id: str, body: Any) -> httpx2.Response:
    return await api.ask("PATCH", f"/update/{session_id}", json=body)


async def shown(api: Api, session_id: str) -> dict[str, Any]:
    data: dict[str, Any] = (await api.get(f"/get/{session_id}")).json()["data"]
    del data["history"]
    return data


async def test_what_is_given_changes_and_the_rest_stays(alice: Api) -> None:
    session_id = await alice.create("agent", title="Old", key="k", max_context_results=7)
    await alice.say(session_id, "Hello")
    before = await shown(alice, session_id)

    answer = await change(alice, session_id, {"title": "New", "metadata": {"a": [1, None]}})

    after = await shown(alice, session_id)
    assert answer.status_code == 200
    assert answer.json() == {"message": "Chat session updated successfully.", "data": after}
    changed = {"title": "New", "metadata": {"a": [1, None]}, "last_active": after["last_active"]}
    assert after == before | changed
    assert after["last_active"] >= before["last_active"]


async def test_null_removes_and_metadata_is_replaced_as_a_whole(alice: Api) -> None:
    session_id = await alice.create("agent", title="Old", max_context_results=7)
    await change(alice, session_id, {"metadata": {"a": 1}})

    await change(alice, session_id, {"metadata": {"b": 2}})
    assert (await shown(alice, session_id))["metadata"] == {"b": 2}

    nulls = {"title": None, "metadata": None, "max_context_results": None}
    await change(alice, session_id, nulls)

    after = await shown(alice, session_id)
    assert after.keys().isdisjoint({"title", "metadata"})
    assert after["max_context_results"] == 1


async def test_a_change_never_touches_the_messages(alice: Api) -> None:
    session_id = await alice.create()
    await alice.say(session_id, "one", "two")

    await change(alice, session_id, {"title": "New"})

    assert [m["content"] for m in await alice.history(session_id)] == ["one", "two"]


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        ({"title": ""}, 400, "title: must be 1 to 512 characters long"),
        ({"title": 7}, 400, "title: Input should be a valid string"),
        ({"metadata": []}, 400, "metadata: Input should be a valid"),
        ({"metadata": {"a": "x" * 20_000}}, 413, "metadata is"),
        ({"max_context_results": 0}, 400, "max_context_results: Input should be greater"),
        ({"max_context_results": 1001}, 400, "max_context_results: Input should be less"),
        ([], 400, "The body must be a JSON object."),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_bad_change_says_why_and_changes_nothing(
    alice: Api, body: Any, status: int, problem: str
) -> None:
    session_id = await alice.create("agent", title="Old")
    before = await shown(alice, session_id)

    answer = await change(alice, session_id, body)

    assert answer.status_code == status
    assert answer.json()["message"] == "Failed to update session."
    assert problem in answer.json()["error"]
    assert await shown(alice, session_id) == before
