"""PyPI's julep 0.3.9 works unchanged: in its own process and environment, on a real port."""

from datetime import datetime
from uuid import UUID, uuid4

import pytest

from tests.clients.julep_client import AGENT, JulepClient, Refused


async def test_it_creates_a_session_for_its_user_and_gets_it(client: JulepClient) -> None:
    settings = {
        "situation": "Be brief.",
        "render_templates": True,
        "token_budget": 4000,
        "context_overflow": "truncate",
    }

    session_id = await client.create(user_id=client.user_id, metadata={"a": 1}, **settings)

    session = await client.get(session_id)
    assert session["id"] == session_id
    assert UUID(session_id).version == 4
    assert (session["user_id"], session["agent_id"]) == (client.user_id, AGENT)
    assert await client.has(session_id, a=1)
    assert {name: session[name] for name in settings} == settings
    assert datetime.fromisoformat(session["created_at"]).tzinfo is not None


async def test_it_creates_a_session_without_a_user_and_with_nulls(client: JulepClient) -> None:
    nulls = dict.fromkeys(["user_id", "situation", "token_budget", "context_overflow"])

    session = await client.get(await client.create(**nulls))

    assert session["user_id"] == client.user_id
    assert session["metadata"] == {}
    assert (session["situation"], session["token_budget"]) == (None, None)


async def test_it_cannot_create_a_session_for_another_user(client: JulepClient) -> None:
    with pytest.raises(Refused) as refused:
        await client.create(user_id=str(uuid4()))

    assert refused.value.status == 403
    assert refused.value.body.keys() == {"detail"}


async def test_it_learns_that_a_session_does_not_exist(client: JulepClient) -> None:
    with pytest.raises(Refused) as refused:
        await client.get(str(uuid4()))

    assert (refused.value.status, refused.value.body) == (404, {"detail": "Session not found"})


async def test_it_lists_sessions_newest_first_and_by_their_metadata(client: JulepClient) -> None:
    project = uuid4().hex
    wanted = [await client.create(metadata={"project": project, "n": n}) for n in range(3)]
    await client.create(metadata={"project": "other"})

    found = await client.call("list", metadata_filter={"project": project})
    page = await client.call("list", metadata_filter={"project": project}, limit=1, offset=2)
    one = await client.call("list", metadata_filter={"project": project, "n": 1})

    assert [session["id"] for session in found] == wanted[::-1]
    assert [session["id"] for session in page] == wanted[:1]
    assert [session["id"] for session in one] == [wanted[1]]
    assert wanted[0] in [session["id"] for session in await client.call("list")]


async def test_its_update_merges_the_metadata_and_keeps_the_rest(client: JulepClient) -> None:
    session_id = await client.create(situation="old", metadata={"a": 1, "b": 1})

    updated = await client.call("update", session_id=session_id, metadata={"b": 2})

    session = await client.get(session_id)
    assert await client.has(session_id, a=1, b=2)
    assert session["situation"] == "old"
    assert updated["updated_at"] == session["updated_at"]


async def test_its_update_with_overwrite_replaces_the_metadata(client: JulepClient) -> None:
    session_id = await client.create(situation="old", metadata={"a": 1}, token_budget=100)

    await client.call(
        "update", session_id=session_id, situation="new", metadata={"b": 2}, overwrite=True
    )

    session = await client.get(session_id)
    assert await client.has(session_id, b=2)
    assert not await client.has(session_id, a=1)
    assert (session["situation"], session["token_budget"]) == ("new", 100)


async def test_it_deletes_a_session(client: JulepClient) -> None:
    session_id = await client.create()

    assert await client.call("delete", session_id=session_id) is None

    with pytest.raises(Refused, match="404"):
        await client.get(session_id)


async def test_it_learns_what_is_wrong_with_its_input(client: JulepClient) -> None:
    with pytest.raises(Refused) as refused:
        await client.create(context_overflow="explode")

    assert refused.value.status == 422
    assert refused.value.body.keys() == {"status_code", "message", "data"}
