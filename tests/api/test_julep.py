"""The Julep dialect, row by row: sessions, lists, updates, histories and tools."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.api.asking import Api
from tests.api.julep_asking import (
    NOT_FOUND,
    TOOL,
    listed,
    make_session,
    show,
    time_of,
    update,
)

SETTINGS = {
    "situation": "You are a helpful guide.",
    "metadata": {"team": "support", "tags": ["a", "b"]},
    "render_templates": True,
    "token_budget": 4000,
    "context_overflow": "truncate",
}
NULLS = dict.fromkeys([*SETTINGS, "tools"])


async def test_create_returns_the_sessions_id_its_time_and_no_jobs(alice: Api) -> None:
    answer = await alice.ask("POST", "/sessions", json={"agent_id": "agent"})

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"id", "created_at", "jobs"}
    assert UUID(answer.json()["id"]).version == 4
    assert datetime.now(UTC) - time_of(answer.json()["created_at"]) < timedelta(minutes=1)
    assert answer.json()["jobs"] == []


async def test_a_session_is_shown_with_everything_it_was_created_with(alice: Api) -> None:
    session_id = await make_session(alice, agent_id="guide", user_id=alice.user_id, **SETTINGS)

    shown = await show(alice, session_id)

    created_at, updated_at = shown.pop("created_at"), shown.pop("updated_at")
    assert time_of(created_at) == time_of(updated_at)
    assert shown == SETTINGS | {
        "id": session_id,
        "user_id": alice.user_id,
        "agent_id": "guide",
        "summary": None,
    }


async def test_a_session_created_with_nulls_is_the_callers_and_has_nothing_set(alice: Api) -> None:
    session_id = await make_session(alice, user_id=None, **NULLS)

    shown = await show(alice, session_id)

    assert shown["user_id"] == alice.user_id
    assert {name: shown[name] for name in SETTINGS} == dict.fromkeys(SETTINGS) | {
        "render_templates": False
    }


async def test_unknown_fields_are_ignored(alice: Api) -> None:
    session_id = await make_session(alice, id=str(uuid4()), summary="x", key="k", title="t")

    shown = await show(alice, session_id)

    assert shown["summary"] is None
    assert (await alice.get(f"/get/{session_id}")).json()["data"].keys() & {"key", "title"} == set()


async def test_the_list_shows_the_callers_sessions_newest_first(alice: Api, bob: Api) -> None:
    made = [await make_session(alice) for _ in range(3)]
    await make_session(bob)

    answer = await alice.get("/sessions")

    assert answer.status_code == 200
    assert [session["id"] for session in answer.json()["items"]] == made[::-1]
    assert answer.json()["items"][0] == await show(alice, made[-1])


async def test_the_list_is_paged_and_empty_past_the_end(alice: Api) -> None:
    made = [await make_session(alice) for _ in range(3)]

    assert await listed(alice, limit=2) == [made[2], made[1]]
    assert await listed(alice, limit=2, offset=2) == [made[0]]
    assert await listed(alice, offset=3) == []


async def test_the_list_holds_100_sessions_by_default(alice: Api) -> None:
    for _ in range(101):
        await make_session(alice)

    assert len(await listed(alice)) == 100
    assert len(await listed(alice, limit=1000)) == 101


async def test_the_list_is_sorted_by_update_and_in_ascending_order_on_request(alice: Api) -> None:
    first, second = await make_session(alice), await make_session(alice)
    await update(alice, "PATCH", first, situation="changed")

    assert await listed(alice, sort_by="updated_at") == [first, second]
    assert await listed(alice, sort_by="updated_at", order="asc") == [second, first]
    assert await listed(alice, sort_by="created_at", order="asc") == [first, second]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [0, 1, 2]),
        ({"team": "support"}, [0, 1]),
        ({"team": "support", "level": 2}, [1]),
        ({"team": "sales", "level": 2}, []),
        ({"tags": ["a"]}, [2]),
        ({"level": None}, []),
        ({"te": "support"}, []),
        ({"team": {"$ne": "x"}}, []),
        ({"$where": "true"}, []),
    ],
    ids=json.dumps,
)
async def test_a_filter_selects_sessions_whose_metadata_contains_all_of_it(
    alice: Api, wanted: dict[str, Any], found: list[int]
) -> None:
    made = [
        await make_session(alice, metadata={"team": "support", "level": 1}),
        await make_session(alice, metadata={"team": "support", "level": 2}),
        await make_session(alice, metadata={"tags": ["a"]}),
    ]

    selected = await listed(alice, metadata_filter=json.dumps(wanted), order="asc")

    assert selected == [made[place] for place in found]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_an_update_returns_id_time_and_jobs_and_changes_what_it_names(
    alice: Api, method: str
) -> None:
    session_id = await make_session(alice, situation="old", token_budget=100)

    updated = await update(alice, method, session_id, **SETTINGS)

    shown = await show(alice, session_id)
    assert updated == {"id": session_id, "updated_at": shown["updated_at"], "jobs": []}
    assert {name: shown[name] for name in SETTINGS} == SETTINGS


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("fields", [{}, NULLS], ids=["nothing", "nulls"])
async def test_an_update_keeps_what_is_null_or_missing(
    alice: Api, method: str, fields: dict[str, Any]
) -> None:
    session_id = await make_session(alice, **SETTINGS, tools=[TOOL])

    await update(alice, method, session_id, **fields)

    shown = await show(alice, session_id)
    assert {name: shown[name] for name in SETTINGS} == SETTINGS
    assert len((await alice.get(f"/sessions/{session_id}/tools")).json()["items"]) == 1


async def test_put_replaces_the_metadata(alice: Api) -> None:
    session_id = await make_session(alice, metadata={"a": 1, "b": {"c": 1}})

    await update(alice, "PUT", session_id, metadata={"b": {"d": 2}})

    assert (await show(alice, session_id))["metadata"] == {"b": {"d": 2}}


async def test_put_with_empty_metadata_empties_it(alice: Api) -> None:
    session_id = await make_session(alice, metadata={"a": 1})

    await update(alice, "PUT", session_id, metadata={})

    assert (await show(alice, session_id))["metadata"] == {}


async def test_patch_merges_the_metadata_at_its_top_level_only(alice: Api) -> None:
    session_id = await make_session(alice, metadata={"a": 1, "b": {"c": 1}})

    await update(alice, "PATCH", session_id, metadata={"b": {"d": 2}, "e": None})

    assert (await show(alice, session_id))["metadata"] == {"a": 1, "b": {"d": 2}, "e": None}


async def test_patch_adds_metadata_to_a_session_without_any(alice: Api) -> None:
    session_id = await make_session(alice)

    await update(alice, "PATCH", session_id, metadata={"a": 1})

    assert (await show(alice, session_id))["metadata"] == {"a": 1}


async def test_an_update_may_set_false(alice: Api) -> None:
    session_id = await make_session(alice, render_templates=True)

    await update(alice, "PATCH", session_id, render_templates=False)

    assert (await show(alice, session_id))["render_templates"] is False


async def test_a_deleted_session_is_gone(alice: Api) -> None:
    session_id = await make_session(alice)

    answer = await alice.ask("DELETE", f"/sessions/{session_id}")

    assert answer.status_code == 202
    assert answer.json().keys() == {"id", "deleted_at", "jobs"}
    assert answer.json()["id"] == session_id
    assert time_of(answer.json()["deleted_at"]) <= datetime.now(UTC)
    again = await alice.ask("DELETE", f"/sessions/{session_id}")
    assert (again.status_code, again.json()) == (404, NOT_FOUND)
