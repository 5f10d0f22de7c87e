"""Who sees what by key: callers have their own keys, and reach no one else's."""

from uuid import uuid4

import httpx2
import pytest

from tests.api.asking import Api
from tests.api.keyed_asking import SESSIONS, listed, show

CANARY = "canary-5d41402abc4b"
ROWS = [
    ("GET", "/api/v1/health"),
    ("GET", SESSIONS),
    ("DELETE", f"{SESSIONS}?prefix=a"),
    ("GET", f"{SESSIONS}/mine"),
    ("GET", f"{SESSIONS}/mine/export"),
    ("DELETE", f"{SESSIONS}/mine"),
    ("POST", "/api/v1/chat"),
    ("POST", "/api/v1/chat/stream"),
]
ONE_SESSION = [("GET", ""), ("GET", "/export"), ("DELETE", "")]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer x", "Basic YTpi", "Bearer a.b.c", "é"],
    ids=repr,
)
@pytest.mark.parametrize(("method", "path"), ROWS)
async def test_without_a_valid_token_every_row_is_401(
    client: httpx2.AsyncClient, method: str, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {b"Authorization": authorization.encode()}

    answer = await client.request(method, path, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json() == {"detail": "Authentication required"}


async def test_each_user_has_their_own_keys(alice: Api, bob: Api) -> None:
    ids = {api.user_id: await api.create(key="same") for api in (alice, bob)}
    await bob.say(ids[bob.user_id], CANARY)

    assert await listed(alice) == ["same"]
    assert (await show(alice, "same"))["message_count"] == 0
    assert CANARY not in (await alice.get(f"{SESSIONS}/same/export")).text


@pytest.mark.parametrize("who", ["stranger", "dashboard", "admin"])
@pytest.mark.parametrize("named_by", ["key", "id"])
@pytest.mark.parametrize(("method", "rest"), ONE_SESSION)
async def test_another_users_session_is_not_found_whatever_the_scopes(
    alice: Api,
    bob: Api,
    dashboard: Api,
    admin: Api,
    agent_id: str,
    who: str,
    named_by: str,
    method: str,
    rest: str,
) -> None:
    session_id = await alice.create(agent_id, key=f"k-{uuid4()}")
    await alice.say(session_id, CANARY)
    [own_key] = await listed(alice)
    key = own_key if named_by == "key" else f"id:{session_id}"

    callers = {"stranger": bob, "dashboard": dashboard, "admin": admin}
    answer = await callers[who].ask(method, f"{SESSIONS}/{key}{rest}")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Session not found"}
    assert [m["content"] for m in await alice.history(session_id)] == [CANARY]


async def test_an_admin_lists_and_deletes_only_their_own_sessions(alice: Api, admin: Api) -> None:
    await alice.create(key="a:1")
    await admin.create(key="a:2")

    before = await listed(admin)
    deleted = (await admin.ask("DELETE", f"{SESSIONS}?prefix=a")).json()

    assert before == ["a:2"]
    assert deleted == {"deleted": 1, "keys": ["a:2"]}
    assert await listed(alice) == ["a:1"]


async def test_a_dashboard_lists_only_its_own_sessions(
    alice: Api, dashboard: Api, agent_id: str
) -> None:
    await alice.create(agent_id, key="theirs")

    assert await listed(dashboard) == []
