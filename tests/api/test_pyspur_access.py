"""Who sees what in the PySpur dialect: another user's session is not found."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.domain.access import AGENT_SCOPE_PREFIX
from tests.api.asking import Api
from tests.api.pyspur_asking import each_mount, listed, make_session

CANARY = "canary-9f86d081884c"
NO_SESSION = {"detail": "Session not found"}
NO_USER = {"detail": "User not found"}

# method, path, who gets which status; every other caller gets the response at the end.
MATRIX: dict[str, tuple[str, str, dict[str, int], tuple[int, Any]]] = {
    "get session": (
        "GET",
        "/session/{id}/",
        {"owner": 200, "dashboard": 200, "admin": 200},
        (404, NO_SESSION),
    ),
    "delete session": (
        "DELETE",
        "/session/{id}/",
        {"owner": 204, "admin": 204},
        (404, NO_SESSION),
    ),
    "list sessions": (
        "GET",
        "/session/?user_id={owner}",
        {"owner": 200, "admin": 200},
        (200, {"sessions": [], "total": 0}),
    ),
    "get user": ("GET", "/user/{owner}/", {"owner": 200, "admin": 200}, (404, NO_USER)),
    "update user": ("PATCH", "/user/{owner}/", {"owner": 200, "admin": 200}, (404, NO_USER)),
    "delete user": ("DELETE", "/user/{owner}/", {"owner": 204, "admin": 204}, (404, NO_USER)),
}
ROUTES = [
    ("POST", "/session/"),
    ("GET", "/session/"),
    ("POST", "/session/test/"),
    ("GET", "/session/{id}/"),
    ("DELETE", "/session/{id}/"),
    ("POST", "/user/"),
    ("GET", "/user/"),
    ("GET", "/user/someone/"),
    ("PATCH", "/user/someone/"),
    ("DELETE", "/user/someone/"),
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
    method, path, allowed, otherwise = MATRIX[route]
    session = await make_session(alice, workflow_id=agent_id, external_id=CANARY)
    await alice.say(session["id"], CANARY)
    profile = {"external_id": alice.user_id, "user_metadata": {"secret": CANARY}}
    await alice.ask("POST", "/user/", json=profile)
    options = {"json": {"user_metadata": {"changed": True}}} if method == "PATCH" else {}

    answer = await (callers | {"admin": admin})[who].ask(
        method, path.format(id=session["id"], owner=alice.user_id), **options
    )

    if who in allowed:
        assert answer.status_code == allowed[who]
        assert (CANARY in answer.text) == (method == "GET")
    else:
        assert (answer.status_code, answer.json()) == otherwise
        assert (await listed(alice))[0][0]["id"] == session["id"]
        kept = (await alice.get(f"/user/{alice.user_id}/")).json()
        assert kept["user_metadata"] == {"secret": CANARY}


async def test_a_session_for_another_user_is_403_and_not_created(alice: Api, bob: Api) -> None:
    body = {"user_id": alice.user_id, "workflow_id": "agent"}

    answer = await bob.ask("POST", "/session/", json=body)

    assert answer.status_code == 403
    assert answer.json() == {
        "detail": "You can only create sessions of your own "
        f"('{bob.user_id}'), not of '{alice.user_id}'."
    }
    assert await listed(alice) == ([], 0)


async def test_an_external_id_gives_no_one_the_session_of_another_user(
    alice: Api, bob: Api
) -> None:
    await make_session(alice, external_id="thread")
    body = {"user_id": alice.user_id, "workflow_id": "agent", "external_id": "thread"}

    answer = await bob.ask("POST", "/session/", json=body)

    assert answer.status_code == 403
    assert answer.json().keys() == {"detail"}


async def test_an_admin_creates_sessions_for_any_user(alice: Api, admin: Api) -> None:
    session = await make_session(admin, user_id=alice.user_id)

    assert (await listed(alice))[0] == [session]


async def test_a_profile_of_another_user_is_403_and_not_created(alice: Api, bob: Api) -> None:
    answer = await bob.ask("POST", "/user/", json={"external_id": alice.user_id})

    assert answer.status_code == 403
    assert answer.json() == {
        "detail": "You can only manage profiles of your own "
        f"('{bob.user_id}'), not of '{alice.user_id}'."
    }
    assert (await alice.get(f"/user/{alice.user_id}/")).status_code == 404


async def test_an_admin_creates_profiles_of_any_user(alice: Api, admin: Api) -> None:
    answer = await admin.ask("POST", "/user/", json={"external_id": alice.user_id})

    assert answer.status_code == 200
    assert (await alice.get(f"/user/{alice.user_id}/")).json() == answer.json()


@each_mount
@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer a.b.c", "Basic YTpi"], ids=repr)
@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_without_a_valid_token_every_route_is_401(
    client: httpx2.AsyncClient, mount: str, method: str, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    answer = await client.request(method, mount + path.format(id=uuid4()), headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json().keys() == {"detail"}
    assert isinstance(answer.json()["detail"], str)
