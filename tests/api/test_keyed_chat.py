"""Chat by key, with a scripted model on a real port: what is returned, stored and refused."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.llm.scripted import Script, Step
from tests.api.asking import Api
from tests.api.keyed_asking import CALL, FAILURES, SESSIONS, listed, log_of, show, talking_service
from tests.every import every

CHAT, STREAM = "/api/v1/chat", "/api/v1/chat/stream"
BOTH = pytest.mark.parametrize("path", [CHAT, STREAM])
NEW_KEY = re.compile(r"api:[0-9a-f]{12}")
FAILED = {"detail": "Agent execution failed"}


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
async def service_url(mongo_url: str, script: Script) -> AsyncIterator[str]:
    async with talking_service(mongo_url, script) as url:
        yield url


@pytest.fixture
async def talker(service_url: str, script: Script) -> AsyncIterator[Api]:
    script.steps.clear()
    script.requests.clear()
    async with httpx2.AsyncClient(base_url=service_url) as client:
        yield Api(client, f"talker-{uuid4().hex}")


async def ask(api: Api, **body: Any) -> dict[str, Any]:
    answer = await api.ask("POST", CHAT, json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_chat_returns_the_reply_its_cost_and_the_key(talker: Api, script: Script) -> None:
    script.steps.append(Step(text="Paris.", usage=(12, 3)))

    answer = await talker.ask("POST", CHAT, json={"message": "Capital?", "session_key": "u:1"})

    assert answer.status_code == 200
    assert answer.json() == {
        "response": "Paris.",
        "iterations": 1,
        "usage": {"prompt_tokens": 12, "completion_tokens": 3},
        "tool_calls_made": [],
        "session_key": "u:1",
    }


async def test_a_turn_is_stored_in_the_session_with_the_key(talker: Api, script: Script) -> None:
    script.steps.extend([Step(text="Hi."), Step(text="Bye.")])

    for message in ("Hello", "Goodbye"):
        await ask(talker, message=message, session_key="cli:default")

    expected = [("user", "Hello"), ("assistant", "Hi."), ("user", "Goodbye"), ("assistant", "Bye.")]
    assert await log_of(talker, "cli:default") == expected
    assert (await show(talker, "cli:default"))["message_count"] == 4


async def test_the_model_gets_the_stored_conversation_and_the_name_of_the_model(
    talker: Api, script: Script
) -> None:
    script.steps.extend([Step(text="Hi."), Step(text="Bye.")])
    await ask(talker, message="Hello", session_key="k")

    await ask(talker, message="Goodbye", session_key="k", model="large")

    said = [message["content"] for message in script.requests[-1]["messages"]]
    assert said == ["Hello", "Hi.", "Goodbye"]
    assert [request["model"] for request in script.requests] == ["scripted", "large"]


@BOTH
async def test_without_a_key_each_turn_creates_a_new_session(talker: Api, path: str) -> None:
    for _ in range(2):
        await talker.ask("POST", path, json={"message": "x", "session_key": None})

    keys = await listed(talker)
    assert len(keys) == 2
    assert every(NEW_KEY.fullmatch(key) for key in keys)


@pytest.mark.parametrize("key", ["a", "a" * 128, "user:alice@example.com_1-2.3", "id:x", "api:"])
async def test_any_key_of_allowed_characters_creates_a_session(talker: Api, key: str) -> None:
    told = await ask(talker, message="x", session_key=key)

    assert told["session_key"] == key
    assert await listed(talker) == [key]


async def test_a_created_session_belongs_to_the_default_agent(talker: Api) -> None:
    await ask(talker, message="x", session_key="k")

    [session] = (await talker.get(f"/get_all/{talker.user_id}")).json()["data"]

    assert session["agent_id"] == "default"
    assert session["key"] == "k"


async def test_a_session_without_a_key_is_continued_by_its_id(talker: Api, script: Script) -> None:
    session_id = await talker.create()
    script.steps.append(Step(text="Hi."))

    told = await ask(talker, message="Hello", session_key=f"id:{session_id}")

    assert told["session_key"] == f"id:{session_id}"
    assert await listed(talker) == [f"id:{session_id}"]
    assert [m["content"] for m in await talker.history(session_id)] == ["Hello", "Hi."]


async def test_the_same_key_of_another_user_is_another_session(
    talker: Api, script: Script, service_url: str
) -> None:
    await ask(talker, message="secret", session_key="same")
    async with httpx2.AsyncClient(base_url=service_url) as client:
        await ask(Api(client, "somebody else"), message="x", session_key="same")

    assert [m["content"] for m in script.requests[-1]["messages"]] == ["x"]


@pytest.mark.parametrize("count", [1, 100_000])
async def test_a_message_may_have_1_to_100000_characters(talker: Api, count: int) -> None:
    await ask(talker, message="ü" * count, session_key="k")

    assert (await log_of(talker, "k"))[0] == ("user", "ü" * count)


@BOTH
async def test_a_message_of_too_many_bytes_is_413_and_creates_no_session(
    talker: Api, path: str
) -> None:
    body = json.dumps({"message": "你" * 100_000, "session_key": "k"}, ensure_ascii=False)
    headers = {"Content-Type": "application/json"}

    answer = await talker.ask("POST", path, content=body.encode(), headers=headers)

    assert answer.status_code == 413
    assert answer.json() == {"detail": "content is 300000 bytes long, the limit is 262144."}
    assert await listed(talker) == []


@BOTH
async def test_a_message_that_cannot_be_stored_is_422_and_creates_no_session(
    talker: Api, path: str
) -> None:
    answer = await talker.ask("POST", path, json={"message": "a\x00b", "session_key": "k"})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["message"]
    assert await listed(talker) == []


async def test_the_models_tool_calls_are_named_and_stored(talker: Api, script: Script) -> None:
    script.steps.append(Step(tool_calls=[CALL, CALL | {"id": "c2"}]))

    told = await ask(talker, message="Find it", session_key="k")

    document = (await talker.get(f"{SESSIONS}/k/export")).json()
    assert told["response"] == ""
    assert told["tool_calls_made"] == ["search", "search"]
    assert document["messages"][1]["tool_calls"] == [CALL, CALL | {"id": "c2"}]


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_model_that_fails_is_502_and_nothing_is_stored(
    talker: Api, script: Script, failure: str
) -> None:
    await talker.create(key="k")
    script.steps.append(FAILURES[failure])

    answer = await talker.ask("POST", CHAT, json={"message": "x", "session_key": "k"})

    assert answer.status_code == 502
    assert answer.json() == FAILED
    assert await log_of(talker, "k") == []


async def test_a_failed_turn_leaves_no_session_whose_key_no_one_knows(
    talker: Api, script: Script
) -> None:
    script.steps.append(Step(status=500))

    answer = await talker.ask("POST", CHAT, json={"message": "x"})

    assert answer.status_code == 502
    assert await listed(talker) == []


@BOTH
async def test_a_session_the_caller_named_stays_empty_when_its_first_turn_fails(
    talker: Api, script: Script, path: str
) -> None:
    script.steps.append(Step(status=500))

    await talker.ask("POST", path, json={"message": "x", "session_key": "k"})

    assert (await show(talker, "k"))["message_count"] == 0


@BOTH
async def test_without_a_model_chat_is_503_says_what_to_set_and_creates_no_session(
    alice: Api, path: str
) -> None:
    answer = await alice.ask("POST", path, json={"message": "x", "session_key": "k"})

    assert answer.status_code == 503
    assert answer.json().keys() == {"detail"}
    assert "SESSIONS_LLM_BASE_URL" in answer.json()["detail"]
    assert await listed(alice) == []
