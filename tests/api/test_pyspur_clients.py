"""Real clients of PySpur, and the sessions of this dialect in the native one."""

from datetime import datetime
from uuid import uuid4

import httpx2

from tests.api.asking import Api
from tests.api.pyspur_asking import listed, make_session, texts


async def bot_session(client: httpx2.AsyncClient, token: str, slack_user: str, thread: str) -> str:
    """Do what PySpur's documented Slack bot does for each message of a thread."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    user = await client.post("/api/user/", headers=headers, json={"external_id": slack_user})
    assert user.status_code in {200, 409}
    body = {"user_id": user.json()["id"], "workflow_id": "S1", "external_id": thread}
    session = await client.post("/api/session/", headers=headers, json=body)
    assert session.status_code == 200
    session_id: str = session.json()["id"]
    return session_id


async def test_a_slack_bot_finds_the_session_of_a_thread_again(admin: Api) -> None:
    slack_user = f"U{uuid4().hex}"

    first = await bot_session(admin.client, admin.token, slack_user, "1732176000.000100")
    again = await bot_session(admin.client, admin.token, slack_user, "1732176000.000100")
    other = await bot_session(admin.client, admin.token, slack_user, "1732176000.000200")

    assert first == again
    assert first != other
    owned, total = await listed(admin, user_id=slack_user)
    assert {session["id"] for session in owned} == {first, other}
    assert total == 2


async def test_a_slack_bot_of_one_user_needs_no_admin_scope(alice: Api) -> None:
    first = await bot_session(alice.client, alice.token, alice.user_id, "1732176000.000100")
    again = await bot_session(alice.client, alice.token, alice.user_id, "1732176000.000100")

    assert first == again


async def test_a_session_created_here_exists_in_the_native_dialect(alice: Api) -> None:
    made = await make_session(alice, workflow_id="agent 1", external_id="thread 1")

    native = (await alice.get(f"/get/{made['id']}")).json()["data"]

    assert (native["agent_id"], native["key"]) == ("agent 1", "thread 1")
    assert (native["user_id"], native["history"]) == (alice.user_id, [])
    assert datetime.fromisoformat(native["created_at"]) == datetime.fromisoformat(
        made["created_at"]
    )


async def test_a_session_created_in_the_native_dialect_exists_here(alice: Api) -> None:
    session_id = await alice.create("agent 1", key="thread 1")
    await alice.say(session_id, "hello")

    session = await make_session(alice, external_id="thread 1")

    assert session["id"] == session_id
    assert session["workflow_id"] == "agent 1"
    assert texts(session) == ["hello"]


async def test_a_session_deleted_here_is_gone_in_the_native_dialect(alice: Api) -> None:
    session_id = (await make_session(alice))["id"]

    await alice.ask("DELETE", f"/session/{session_id}/")

    assert (await alice.get(f"/get/{session_id}")).status_code == 404
