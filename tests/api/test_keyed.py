"""The keyed dialect, row by row: lists, single sessions, exports, single and bulk deletes."""

import time
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx2
import pytest

from service import __version__
from service.app import SessionService
from service.domain.access import Caller
from service.domain.errors import SessionNotFound
from service.domain.keys import EXPORT_PAGE
from service.domain.models import NewMessage, Role
from tests.api.asking import Api
from tests.api.keyed_asking import SESSIONS, listed, show

NOT_FOUND = {"detail": "Session not found"}
ODD_KEYS = [
    "telegram:123456789",
    "user:alice:project-planning",
    "a/b",
    "/a//b/",
    "with space",
    "50%",
    "%2F",
    "q?x=1&y#z",
    "a+b;c=d",
    "über/🙂",
    "two\nlines",
    "ends in a newline\n",
    "a/export\n",
    "a\r\t\x01",
    ".hidden",
    '"quoted" \\',
    "k" * 256,
]


async def test_a_user_without_sessions_lists_none(alice: Api) -> None:
    answer = await alice.get(SESSIONS)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"sessions": [], "count": 0}


async def test_the_list_shows_keys_in_ascending_order_and_their_count(alice: Api) -> None:
    for key in ("b", "telegram:1", "B", "a:b", "a_b", "a"):
        await alice.create(key=key)

    answer = await alice.get(SESSIONS)

    expected = ["B", "a", "a:b", "a_b", "b", "telegram:1"]
    assert answer.json() == {"sessions": expected, "count": 6}


async def test_a_session_without_a_key_is_named_by_its_id(alice: Api) -> None:
    session_id = await alice.create()
    await alice.create(key="hh")
    await alice.create(key="z")

    assert await listed(alice) == ["hh", f"id:{session_id}", "z"]
    assert (await show(alice, f"id:{session_id}"))["key"] == f"id:{session_id}"


async def test_a_session_is_shown_with_its_times_in_seconds(alice: Api) -> None:
    began_s = time.time()
    session_id = await alice.create(key="api:a3f9c2e8b1d4")
    await alice.say(session_id, "Hello", "again")

    shown = await show(alice, "api:a3f9c2e8b1d4")

    assert shown.keys() == {"key", "message_count", "created_at", "updated_at", "age_seconds"}
    assert shown["key"] == "api:a3f9c2e8b1d4"
    assert shown["message_count"] == 2
    assert began_s - 1 <= shown["created_at"] <= shown["updated_at"] <= time.time()
    assert isinstance(shown["created_at"], float)
    assert 0 <= shown["age_seconds"] <= time.time() - began_s + 1
    assert shown["age_seconds"] == round(shown["age_seconds"], 1)


async def test_an_unknown_key_is_404(alice: Api) -> None:
    answer = await alice.get(f"{SESSIONS}/nothing")

    assert answer.status_code == 404
    assert answer.json() == NOT_FOUND


@pytest.mark.parametrize("key", ODD_KEYS, ids=repr)
async def test_any_key_is_reached_percent_encoded(alice: Api, key: str) -> None:
    await alice.create(key=key)

    assert (await show(alice, quote(key, safe="")))["key"] == key


@pytest.mark.parametrize("key", ["a/b", "a:b", "a b", "/a//b/", "a+b", "a@b.c-d_e", "ü"])
async def test_a_key_is_reached_as_clients_write_it_unencoded(alice: Api, key: str) -> None:
    await alice.create(key=key)

    assert (await show(alice, key))["key"] == key


async def test_keys_that_differ_by_one_character_are_different_sessions(alice: Api) -> None:
    for key in ("a:b", "a_b"):
        await alice.create(key=key)

    await alice.ask("DELETE", f"{SESSIONS}/a:b")

    assert await listed(alice) == ["a_b"]


async def test_a_newline_after_a_key_is_not_dropped(alice: Api) -> None:
    await alice.create(key="mine")

    shown = await alice.get(f"{SESSIONS}/mine%0A")
    exported = await alice.get(f"{SESSIONS}/mine/export%0A")
    deleted = await alice.ask("DELETE", f"{SESSIONS}/mine%0A")

    for answer in (shown, exported, deleted):
        assert answer.status_code == 404
        assert answer.json() == NOT_FOUND
    assert await listed(alice) == ["mine"]


@pytest.mark.parametrize("change", [str.upper, lambda key: key.replace("-", ""), lambda k: k[3:]])
async def test_the_key_made_of_an_id_is_valid_only_as_shown(alice: Api, change: Any) -> None:
    session_id = await alice.create()

    answer = await alice.get(f"{SESSIONS}/{change(f'id:{session_id}')}")

    assert answer.status_code == 404


async def test_delete_returns_200_with_the_key_and_the_session_is_gone(alice: Api) -> None:
    session_id = await alice.create(key="user:alice/plans")
    await alice.say(session_id, "Hello")

    answer = await alice.ask("DELETE", f"{SESSIONS}/user:alice/plans")

    assert answer.status_code == 200
    assert answer.json() == {"deleted": True, "key": "user:alice/plans"}
    assert await listed(alice) == []
    assert (await alice.get(f"/get/{session_id}")).status_code == 404


async def test_a_session_without_a_key_is_deleted_by_its_id(alice: Api) -> None:
    session_id = await alice.create()

    answer = await alice.ask("DELETE", f"{SESSIONS}/id:{session_id}")

    assert answer.json() == {"deleted": True, "key": f"id:{session_id}"}
    assert await listed(alice) == []


@pytest.mark.parametrize("path", ["nothing", "id:6f1f7c0e-3b52-4c5e-9f0e-0b8a4f3f2a11"])
async def test_deleting_a_missing_session_is_404(alice: Api, path: str) -> None:
    await alice.create(key="kept")

    answer = await alice.ask("DELETE", f"{SESSIONS}/{path}")

    assert answer.status_code == 404
    assert answer.json() == NOT_FOUND
    assert await listed(alice) == ["kept"]


# Export


async def test_an_export_is_the_session_with_its_messages(alice: Api) -> None:
    session_id = await alice.create("agent7", key="a/b", title="Plans")
    messages = [
        {"role": "user", "content": "Grüße 🙂", "name": "Alice"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]},
        {"role": "tool", "content": "42", "tool_call_id": "c", "metadata": {"a": 1}},
    ]
    for message in messages:
        await alice.update(session_id, message)

    answer = await alice.get(f"{SESSIONS}/a/b/export")

    document = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert document["session_id"] == session_id
    assert document["key"] == "a/b"
    assert document["user_id"] == alice.user_id
    assert document["agent_id"] == "agent7"
    assert document["title"] == "Plans"
    own = ("id", "created_at")
    sent = [{f: v for f, v in m.items() if f not in own} for m in document["messages"]]
    assert sent == messages


async def test_an_exported_session_comes_back_the_same_when_it_is_stored_again(
    alice: Api, bob: Api
) -> None:
    session_id = await alice.create(key="mine", title="Plans")
    await alice.say(session_id, "Hello", "again")
    document = (await alice.get(f"{SESSIONS}/mine/export")).json()

    copy_id = await bob.create(document["agent_id"], key=document["key"], title=document["title"])
    for message in document["messages"]:
        await bob.update(copy_id, message)
    copy = (await bob.get(f"{SESSIONS}/mine/export")).json()

    own = {"session_id": copy_id, "user_id": bob.user_id, "created_at": copy["created_at"]}
    assert [m["content"] for m in copy["messages"]] == ["Hello", "again"]
    assert {f: v for f, v in copy.items() if f != "messages"} == {
        f: v for f, v in (document | own).items() if f != "messages"
    }


@pytest.mark.parametrize("count", [0, 1, EXPORT_PAGE, 2 * EXPORT_PAGE + 1])
async def test_an_export_is_complete_however_long_the_log_is(
    app: SessionService, alice: Api, count: int
) -> None:
    session_id = await alice.create(key="long")
    said = [NewMessage(role=Role.USER, content=str(number)) for number in range(count)]
    if said:
        await app.use_cases.sessions.append(Caller(user_id=alice.user_id), UUID(session_id), said)

    document = (await alice.get(f"{SESSIONS}/long/export")).json()

    assert [m["content"] for m in document["messages"]] == [str(n) for n in range(count)]


async def test_a_session_without_a_key_is_exported_by_its_id(alice: Api) -> None:
    session_id = await alice.create()

    document = (await alice.get(f"{SESSIONS}/id:{session_id}/export")).json()

    assert document["session_id"] == session_id
    assert document["key"] is None


async def test_a_key_that_ends_in_export_takes_precedence_over_an_export(alice: Api) -> None:
    for key in ("data", "data/export"):
        await alice.create(key=key)

    assert (await show(alice, "data/export"))["key"] == "data/export"
    assert (await show(alice, "data/export/export"))["messages"] == []
    assert (await show(alice, "data/export/export"))["key"] == "data/export"


async def test_a_session_hidden_by_such_a_key_is_exported_by_its_id(alice: Api) -> None:
    session_id = await alice.create(key="data")
    await alice.create(key="data/export")

    document = (await alice.get(f"{SESSIONS}/id:{session_id}/export")).json()

    assert document["key"] == "data"


async def test_exporting_a_missing_session_is_404(alice: Api) -> None:
    answer = await alice.get(f"{SESSIONS}/nothing/export")

    assert answer.status_code == 404
    assert answer.json() == NOT_FOUND


async def test_an_export_breaks_off_when_the_session_is_emptied_meanwhile(
    app: SessionService, alice: Api
) -> None:
    caller = Caller(user_id=alice.user_id)
    session_id = UUID(await alice.create(key="mine"))
    said = [NewMessage(role=Role.USER, content="x")] * (EXPORT_PAGE + 1)
    await app.use_cases.sessions.append(caller, session_id, said)
    session = await app.use_cases.keys.get(caller, "mine")
    document = app.use_cases.keys.export(caller, session)
    beginning = [await anext(document), await anext(document)]

    await app.use_cases.sessions.clear(caller, session_id)

    assert len("".join(beginning)) > EXPORT_PAGE
    with pytest.raises(SessionNotFound):
        await anext(document)


# Health


async def test_health_is_open(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/health")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


async def test_detailed_health_shows_the_version_and_the_uptime(alice: Api) -> None:
    answer = await alice.get("/api/v1/health")

    uptime_s = answer.json()["uptime_seconds"]
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": __version__, "uptime_seconds": uptime_s}
    assert 0 <= uptime_s < 3600
