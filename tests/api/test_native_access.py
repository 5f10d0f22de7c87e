"""Who sees what: every native row for owner, stranger, dashboard, admin, and without a token."""

from uuid import uuid4

import httpx2
import pytest

from service.domain.access import AGENT_SCOPE_PREFIX
from tests.api.asking import Api
from tests.api.test_native_bad_input import FAILURES

CANARY = "canary-5d41402abc4b"
MESSAGE = {"role": "user", "content": CANARY}

# method, path, who gets which status: the table of service/domain/access.py, route by route.
# "dashboard" has the scope of the session's agent, "other" that of another agent.
MATRIX = {
    "history": ("GET", "/history/{id}", {"owner": 200, "dashboard": 200, "admin": 200}),
    "recent": ("GET", "/history/recent/{id}", {"owner": 200, "dashboard": 200, "admin": 200}),
    "get": ("GET", "/get/{id}", {"owner": 200, "dashboard": 200, "admin": 200}),
    "update": ("POST", "/history/update/{id}", {"owner": 200, "admin": 200}),
    "delete": ("DELETE", "/delete/{id}", {"owner": 200, "admin": 200}),
    "get_all": ("GET", "/get_all/{owner}", {"owner": 200, "admin": 200}),
}


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
    method, path, allowed = MATRIX[route]
    session_id = await alice.create(agent_id)
    await alice.update(session_id, MESSAGE)
    options = {"json": MESSAGE} if method == "POST" else {}

    answer = await (callers | {"admin": admin})[who].ask(
        method, path.format(id=session_id, owner=alice.user_id), **options
    )

    assert answer.status_code == allowed.get(who, 403)
    if answer.status_code == 403:
        assert answer.json().keys() == {"message", "error", "code"}
        assert answer.json()["message"] == FAILURES[route]
        assert CANARY not in answer.text
        assert [m["content"] for m in await alice.history(session_id)] == [CANARY]


async def test_another_users_session_is_403_and_reveals_nothing(alice: Api, bob: Api) -> None:
    session_id = await alice.create("secret agent", title="secret title")

    answer = await bob.get(f"/get/{session_id}")

    assert answer.json() == {
        "message": "Failed to retrieve session details.",
        "error": "This session belongs to another user.",
        "code": "session_foreign",
    }


async def test_a_dashboard_lists_all_sessions_of_its_agent_and_of_no_other(
    alice: Api, bob: Api, dashboard: Api, agent_id: str
) -> None:
    made = {await alice.create(agent_id), await bob.create(agent_id)}
    await bob.create(f"other{agent_id}")

    own = (await dashboard.get(f"/get_by_agent/{agent_id}")).json()["data"]
    others = (await dashboard.get(f"/get_by_agent/other{agent_id}")).json()["data"]

    assert {session["session_id"] for session in own} == made
    assert others == []


async def test_an_admin_creates_sessions_for_any_user(admin: Api, alice: Api) -> None:
    session_id = await admin.create(user_id=alice.user_id)

    data = (await alice.get(f"/get/{session_id}")).json()["data"]

    assert data["user_id"] == alice.user_id


async def test_no_one_else_creates_sessions_for_another_user(alice: Api, bob: Api) -> None:
    answer = await bob.ask("POST", f"/create?agent_id=a&user_id={alice.user_id}")

    assert answer.status_code == 403
    assert answer.json()["message"] == FAILURES["create"]
    assert (await alice.get(f"/get_all/{alice.user_id}")).json()["data"] == []


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer x", "Basic YTpi", "Bearer a.b.c", "é"],
    ids=repr,
)
@pytest.mark.parametrize("route", [*MATRIX, "create", "get_by_agent"])
async def test_without_a_valid_token_every_route_is_401(
    client: httpx2.AsyncClient, route: str, authorization: str | None
) -> None:
    others: dict[str, tuple[str, str, dict[str, int]]] = {
        "create": ("POST", "/create?agent_id=a", {}),
        "get_by_agent": ("GET", "/get_by_agent/a", {}),
    }
    method, path, _ = (MATRIX | others)[route]
    headers = {} if authorization is None else {b"Authorization": authorization.encode()}

    answer = await client.request(method, path.format(id=uuid4(), owner="x"), headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json().keys() == {"message", "error", "code"}
    assert answer.json()["message"] == FAILURES[route]
