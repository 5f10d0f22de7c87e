"""Who sees what in the Julep dialect: another user's session is not found."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.domain.access import AGENT_SCOPE_PREFIX
from tests.api.asking import Api
from tests.api.julep_asking import NOT_FOUND, add, listed, make_session, show

CANARY = "canary-9f86d081884c"
ID = "6f1f7c0e-3b52-4c5e-9f0e-0b8a4f3f2a11"
MESSAGE = {"role": "user", "content": "Hello"}
READERS = {"owner", "dashboard", "admin"}
OWNERS = {"owner", "admin"}

# method, path after the session's, body, status, who gets it; every other caller gets 404.
MATRIX: dict[str, tuple[str, str, Any, int, set[str]]] = {
    "get": ("GET", "", None, 200, READERS),
    "put": ("PUT", "", {"situation": "new"}, 200, OWNERS),
    "patch": ("PATCH", "", {"situation": "new"}, 200, OWNERS),
    "delete": ("DELETE", "", None, 202, OWNERS),
    "history": ("GET", "/history", None, 200, READERS),
    "delete history": ("DELETE", "/history", None, 202, OWNERS),
    "messages": ("GET", "/messages", None, 200, READERS),
    "add message": ("POST", "/messages", MESSAGE, 201, OWNERS),
    "add result": ("POST", "/messages", MESSAGE | {"role": "function"}, 201, OWNERS),
    "tools": ("GET", "/tools", None, 200, READERS),
    "suggestions": ("GET", "/suggestions", None, 200, READERS),
}
ROUTES = [
    ("POST", "/sessions"),
    ("GET", "/sessions"),
    *((method, f"/sessions/{ID}{path}") for method, path, *_ in MATRIX.values()),
    ("POST", f"/sessions/{ID}/chat"),
]


@pytest.mark.parametrize("who", ["owner", "stranger", "dashboard", "other", "admin"])
@pytest.mark.parametrize("route", MATRIX)
async def test_each_caller_may_do_what_the_table_says(
    client: httpx2.AsyncClient,
    alice: Api,
    bob: Api,
    admin: Api,
    dashboard: Api,
    agent_id: str,
    route: str,
    who: str,
) -> None:
    other = Api(client, f"other-{uuid4().hex}", f"{AGENT_SCOPE_PREFIX}other{agent_id}")
    callers = {"owner": alice, "stranger": bob, "dashboard": dashboard, "other": other}
    method, path, body, status, allowed = MATRIX[route]
    session_id = await make_session(alice, agent_id=agent_id, situation=CANARY)
    await add(alice, session_id, role="user", content=CANARY)
    before = await show(alice, session_id)

    answer = await (callers | {"admin": admin})[who].ask(
        method, f"/sessions/{session_id}{path}", json=body
    )

    if who in allowed:
        assert answer.status_code == status
    else:
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
        assert CANARY not in answer.text
        assert await show(alice, session_id) == before


async def test_chat_reveals_nothing_of_another_users_session(alice: Api, bob: Api) -> None:
    session_id = await make_session(alice, situation=CANARY)

    answer = await bob.ask("POST", f"/sessions/{session_id}/chat", json={"messages": [MESSAGE]})

    # Without a model every caller gets that.
    assert answer.status_code == 503
    assert CANARY not in answer.text


async def test_a_user_lists_only_their_own_sessions(alice: Api, bob: Api) -> None:
    mine, _ = await make_session(alice), await make_session(bob)

    assert await listed(alice) == [mine]


async def test_a_session_for_another_user_is_403(alice: Api, bob: Api) -> None:
    body = {"agent_id": "agent", "user_id": bob.user_id}

    answer = await alice.ask("POST", "/sessions", json=body)

    assert answer.status_code == 403
    assert answer.json().keys() == {"detail"}
    assert await listed(bob) == []


async def test_an_admin_creates_sessions_for_any_user(admin: Api, alice: Api) -> None:
    session_id = await make_session(admin, user_id=alice.user_id)

    assert await listed(alice) == [session_id]
    assert (await show(alice, session_id))["user_id"] == alice.user_id


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("header", [None, "Bearer x.y.z", "Basic YTpi"])
async def test_without_a_valid_token_every_route_is_401(
    client: httpx2.AsyncClient, method: str, path: str, header: str | None
) -> None:
    headers = {"Authorization": header} if header else {}

    answer = await client.request(method, path, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json().keys() == {"detail"}
