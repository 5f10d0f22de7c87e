"""One session, four ways in: created in one dialect, it is the same in the three others."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from service.llm.scripted import Script, Step
from tests.api.asking import Api
from tests.api.julep_asking import add, history, make_session
from tests.api.pyspur_asking import make_session as make_pyspur_session

KEY = "a:b"
FUNCTION = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
CALL = {"id": "call_1", "type": "function", "function": FUNCTION}
PARTS = [
    {"type": "text", "text": "Is this Oslo?"},
    {"type": "image_url", "image_url": {"url": "https://example.com/oslo.png"}},
]
# The conversation, as the native dialect has it.
QUESTION = {"role": "user", "content": "How cold is it in Oslo?"}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
REST: list[dict[str, Any]] = [
    {"role": "tool", "content": "-3", "name": "get_weather", "tool_call_id": "call_1"},
    {"role": "assistant", "content": "Let me see again.", "tool_calls": [CALL, CALL]},
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": PARTS, "name": "ann"},
    {"role": "user", "content": ""},
    {"role": "assistant", "content": "Yes. 🏔", "model": "demo", "annotations": []},
]
CONVERSATION: list[dict[str, Any]] = [QUESTION, CALLING, *REST]
# The same conversation, as Julep's clients send it.
IN_CHATML: list[dict[str, Any]] = [
    QUESTION,
    {"role": "function_call", "content": json.dumps(FUNCTION | {"id": "call_1"})},
    {"role": "function", "content": "-3", "name": "get_weather"},
    {
        "role": "function_call",
        "content": json.dumps({"content": "Let me see again.", "tool_calls": [CALL, CALL]}),
    },
    *REST[2:],
]


class Seen(NamedTuple):
    """A session as a dialect shows it; None where the dialect has no such field."""

    id: str
    agent_id: str | None
    user_id: str | None
    key: str | None
    created_at: datetime
    updated_at: datetime
    messages: list[dict[str, Any]]


async def say_all(api: Api, session_id: str, messages: list[dict[str, Any]]) -> None:
    for message in messages:
        answer = await api.update(session_id, message)
        assert answer.status_code == 200, answer.text


async def make_in_native(api: Api, _: Script) -> str:
    session_id = await api.create("default", key=KEY)
    await say_all(api, session_id, CONVERSATION)
    return session_id


async def make_in_pyspur(api: Api, _: Script) -> str:
    """Create the session; its clients leave the messages to PySpur's own agents."""
    session = await make_pyspur_session(api, workflow_id="default", external_id=KEY)
    await say_all(api, session["id"], CONVERSATION)
    return str(session["id"])


async def make_in_keyed(api: Api, script: Script) -> str:
    """Create the session with its first turn; this dialect has no messages except chats."""
    script.steps.append(Step(tool_calls=[CALL]))
    body = {"message": QUESTION["content"], "session_key": KEY}
    answer = await api.ask("POST", "/api/v1/chat", json=body)
    assert answer.status_code == 200, answer.text
    [session] = (await api.get(f"/get_all/{api.user_id}")).json()["data"]
    await say_all(api, session["session_id"], REST)
    return str(session["session_id"])


async def make_in_julep(api: Api, _: Script) -> str:
    session_id = await make_session(api, agent_id="default")
    for message in IN_CHATML:
        await add(api, session_id, **message)
    return session_id


async def see_in_native(api: Api, session_id: str) -> Seen:
    shown = (await api.get(f"/get/{session_id}")).json()["data"]
    messages = await api.history(session_id, include="id,created_at")
    return Seen(
        shown["session_id"],
        shown["agent_id"],
        shown["user_id"],
        shown.get("key"),
        datetime.fromisoformat(shown["created_at"]),
        datetime.fromisoformat(shown["last_active"]),
        list(map(with_time, messages)),
    )


async def see_in_pyspur(api: Api, session_id: str) -> Seen:
    shown = (await api.get(f"/session/{session_id}/")).json()
    messages = [
        message["content"] | {"id": message["id"], "created_at": message["created_at"]}
        for message in shown["messages"]
    ]
    return Seen(
        shown["id"],
        shown["workflow_id"],
        shown["user_id"],
        shown["external_id"],
        datetime.fromisoformat(shown["created_at"]),
        datetime.fromisoformat(shown["updated_at"]),
        list(map(with_time, messages)),
    )


async def see_in_keyed(api: Api, session_id: str) -> Seen:
    keys = (await api.get("/api/v1/sessions")).json()["sessions"]
    [key] = [key for key in keys if key in {KEY, f"id:{session_id}"}]
    shown = (await api.get(f"/api/v1/sessions/{key}")).json()
    document = (await api.get(f"/api/v1/sessions/{key}/export")).json()
    fields = ("id", "created_at", "role", "content", "name", "tool_calls", "tool_call_id")
    messages = [
        {f: m[f] for f in fields if f in m} | m.get("extra", {}) for m in document["messages"]
    ]
    return Seen(
        document["session_id"],
        None,
        None,
        None if key.startswith("id:") else key,
        datetime.fromtimestamp(shown["created_at"], UTC),
        datetime.fromtimestamp(shown["updated_at"], UTC),
        [with_time({"content": None} | message) for message in messages],
    )


async def see_in_julep(api: Api, session_id: str) -> Seen:
    shown = (await api.get(f"/sessions/{session_id}")).json()
    messages = await history(api, session_id)
    return Seen(
        shown["id"],
        shown["agent_id"],
        shown["user_id"],
        None,
        datetime.fromisoformat(shown["created_at"]),
        datetime.fromisoformat(shown["updated_at"]),
        [with_time(from_chatml(message)) for message in messages],
    )


def from_chatml(message: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in message.items() if value is not None}
    if fields["role"] == "function":
        return fields | {"role": "tool"}
    if fields["role"] != "function_call":
        return fields
    content: dict[str, Any] = json.loads(fields["content"])
    if "tool_calls" in content:
        return fields | {"role": "assistant"} | content
    call = {"id": content.pop("id"), "type": "function", "function": content}
    return fields | {"role": "assistant", "content": None, "tool_calls": [call]}


def with_time(message: dict[str, Any]) -> dict[str, Any]:
    return message | {"created_at": datetime.fromisoformat(message["created_at"])}


Make = Callable[[Api, Script], Awaitable[str]]
See = Callable[[Api, str], Awaitable[Seen]]
MAKERS: dict[str, Make] = {
    "native": make_in_native,
    "pyspur": make_in_pyspur,
    "keyed": make_in_keyed,
    "julep": make_in_julep,
}
SEERS: dict[str, See] = {
    "native": see_in_native,
    "pyspur": see_in_pyspur,
    "keyed": see_in_keyed,
    "julep": see_in_julep,
}


@pytest.mark.parametrize("seer", SEERS)
@pytest.mark.parametrize("maker", MAKERS)
async def test_a_session_created_in_one_dialect_is_the_same_in_another(
    talker: Api, script: Script, maker: str, seer: str
) -> None:
    session_id = await MAKERS[maker](talker, script)

    seen = await SEERS[seer](talker, session_id)

    native = await see_in_native(talker, session_id)
    assert seen.id == session_id
    assert seen.agent_id in {None, "default"}
    assert seen.user_id in {None, talker.user_id}
    assert seen.key == (None if "julep" in {maker, seer} else KEY)
    assert (seen.created_at, seen.updated_at) == (native.created_at, native.updated_at)
    assert seen.messages == native.messages
    said = [{k: v for k, v in m.items() if k not in {"id", "created_at"}} for m in seen.messages]
    assert said == CONVERSATION


@pytest.mark.parametrize("seer", ["native", "pyspur", "keyed"])
async def test_messages_keep_their_ids_and_their_times_in_every_dialect(
    talker: Api, script: Script, seer: str
) -> None:
    session_id = await make_in_julep(talker, script)
    sent = [(message["id"], message["created_at"]) for message in await history(talker, session_id)]

    seen = await SEERS[seer](talker, session_id)

    expected = [(message_id, datetime.fromisoformat(time)) for message_id, time in sent]
    assert [(message["id"], message["created_at"]) for message in seen.messages] == expected


@pytest.mark.parametrize(
    "delete",
    ["/delete/{id}", "/session/{id}/", "/api/v1/sessions/id:{id}", "/sessions/{id}"],
)
async def test_a_session_deleted_in_one_dialect_is_gone_in_all(talker: Api, delete: str) -> None:
    session_id = await make_session(talker)

    await talker.ask("DELETE", delete.format(id=session_id))

    paths = [f"/get/{session_id}", f"/session/{session_id}/", f"/sessions/{session_id}"]
    answers = [await talker.get(path) for path in [*paths, f"/api/v1/sessions/id:{session_id}"]]
    assert [answer.status_code for answer in answers] == [404] * 4


async def test_a_history_deleted_in_julep_is_empty_in_all(talker: Api, script: Script) -> None:
    session_id = await make_in_native(talker, script)

    await talker.ask("DELETE", f"/sessions/{session_id}/history")

    assert [(await see(talker, session_id)).messages for see in SEERS.values()] == [[]] * 4
