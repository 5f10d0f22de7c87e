"""Chat in the native dialect: whole and streamed, over real sockets."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from config.settings import Settings
from service.app import SessionService
from service.llm.scripted import Script, Step
from tests.api.asking import SECRET, Api
from tests.scripted import ScriptedModel, scripted_server
from tests.served import served, until

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}


@pytest.fixture(scope="module")
async def scripted() -> AsyncIterator[ScriptedModel]:
    async with scripted_server() as scripted:
        yield scripted


@pytest.fixture
def script(scripted: ScriptedModel) -> Script:
    return scripted.begin()


def chat_settings(mongo_url: str, **model: Any) -> Settings:
    return Settings(
        _env_file=None,
        mongo_url=mongo_url,
        mongo_database=f"api_{uuid4().hex}",
        jwt_secret=SECRET,
        **model,
    )


@pytest.fixture(scope="module")
async def chat_client(mongodb: str, scripted: ScriptedModel) -> AsyncIterator[httpx2.AsyncClient]:
    settings = chat_settings(
        mongodb, llm_base_url=scripted.url, llm_model="small", llm_max_retries=0
    )
    async with (
        served(SessionService(settings)) as url,
        httpx2.AsyncClient(base_url=url) as client,
    ):
        yield client


@pytest.fixture
def user(chat_client: httpx2.AsyncClient) -> Api:
    return Api(chat_client, f"user-{uuid4().hex}")


async def ask(user: Api, session_id: str, body: Any, **headers: str) -> httpx2.Response:
    return await user.ask("POST", f"/chat/{session_id}", json=body, headers=headers)


def events_of(answer: httpx2.Response) -> list[dict[str, Any]]:
    lines = answer.text.split("\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


async def test_a_chat_is_answered_and_stored(user: Api, script: Script) -> None:
    script.steps.append(Step(text="Paris"))
    session_id = await user.create()

    answer = await ask(user, session_id, {"content": "The capital of France?"})

    assert answer.status_code == 200
    assert answer.json() == {
        "message": "Chat reply generated successfully.",
        "data": {"role": "assistant", "content": "Paris"},
    }
    assert await user.history(session_id) == [
        {"role": "user", "content": "The capital of France?"},
        {"role": "assistant", "content": "Paris"},
    ]


async def test_a_streamed_chat_arrives_in_events(user: Api, script: Script) -> None:
    script.steps.append(Step(text="It is Paris"))
    session_id = await user.create()

    answer = await ask(user, session_id, {"content": "hi", "stream": True})

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert events_of(answer) == [
        {"content": "It"},
        {"content": " is"},
        {"content": " Paris"},
        {
            "message": "Chat reply generated successfully.",
            "data": {"role": "assistant", "content": "It is Paris"},
        },
    ]
    assert len(await user.history(session_id)) == 2


async def test_reasoning_is_shown_separately_from_the_text_and_kept(
    user: Api, script: Script
) -> None:
    step = Step(text="Paris", reasoning="Let me think")
    script.steps.extend([step, step])
    session_id = await user.create()
    message = {"role": "assistant", "content": "Paris", "reasoning_content": "Let me think"}

    whole = await ask(user, session_id, {"content": "hi"})
    streamed = await ask(user, session_id, {"content": "hi", "stream": True})

    assert whole.json()["data"] == message
    *pieces, last = events_of(streamed)
    thoughts = [{"reasoning": text} for text in ("Let", " me", " think")]
    assert pieces == [*thoughts, {"content": "Paris"}]
    assert last["data"] == message
    assert (await user.history(session_id))[1::2] == [message, message]


async def test_reasoning_can_be_appended(user: Api) -> None:
    session_id = await user.create()
    message = {"role": "assistant", "content": "Paris", "reasoning_content": "Let me think"}

    answer = await user.update(session_id, message)

    assert answer.status_code == 200
    assert await user.history(session_id) == [message]


async def test_tool_calls_are_in_the_response_and_in_the_stream(user: Api, script: Script) -> None:
    script.steps.extend([Step(tool_calls=[CALL]), Step(tool_calls=[CALL])])
    session_id = await user.create()

    whole = await ask(user, session_id, {"content": "find"})
    streamed = await ask(user, session_id, {"content": "find", "stream": True})

    assert whole.json()["data"]["tool_calls"] == [CALL]
    assert events_of(streamed)[0]["tool_call"]["name"] == "find"
    assert events_of(streamed)[-1]["data"]["tool_calls"] == [CALL]


async def test_content_may_be_parts_and_null_means_missing(user: Api, script: Script) -> None:
    parts = [{"type": "text", "text": "hi"}]
    session_id = await user.create()

    answer = await ask(user, session_id, {"content": parts, "stream": None, "unknown": 1})

    assert answer.status_code == 200
    assert script.requests[0]["messages"][0]["content"] == parts


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"content": None}, 400),
        ({"content": ""}, 400),
        ({"content": 5}, 400),
        ({"content": "hi", "stream": "maybe"}, 400),
        ({"content": "a\u0000b"}, 400),
        ({"content": "x" * (256 * 1024 + 1)}, 413),
        ([], 400),
    ],
    ids=["nothing", "null", "empty", "a number", "stream", "NUL", "too large", "a list"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_errors_for_bad_input_have_the_dialects_shape(
    user: Api, script: Script, body: Any, status: int, *, stream: bool
) -> None:
    session_id = await user.create()
    if isinstance(body, dict):
        body = {"stream": stream} | body

    answer = await ask(user, session_id, body)

    assert answer.status_code == status
    assert answer.json().keys() == {"message", "error", "code"}
    assert answer.json()["message"] == "Failed to chat."
    assert not script.requests


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_caller_who_may_not_chat_is_refused(
    user: Api, chat_client: httpx2.AsyncClient, script: Script, *, stream: bool
) -> None:
    session_id = await user.create()
    body = {"content": "hi", "stream": stream}

    foreign = await ask(Api(chat_client, "mallory"), session_id, body)
    unknown = await ask(user, str(uuid4()), body)
    nobody = await chat_client.post(f"/chat/{session_id}", json=body)

    assert [foreign.status_code, unknown.status_code, nobody.status_code] == [403, 404, 401]
    assert not script.requests


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_model_that_fails_before_it_responds_is_502(
    user: Api, script: Script, *, stream: bool
) -> None:
    script.steps.append(Step(status=500))
    session_id = await user.create()

    answer = await ask(user, session_id, {"content": "hi", "stream": stream})

    assert answer.status_code == 502
    assert answer.json()["message"] == "Failed to chat."
    assert "own words" not in answer.text
    assert await user.history(session_id) == []


async def test_a_stream_that_breaks_off_ends_with_an_error_event(user: Api, script: Script) -> None:
    script.steps.append(Step(text="It is Paris", cut_after=2))
    session_id = await user.create()

    answer = await ask(user, session_id, {"content": "hi", "stream": True})

    assert answer.status_code == 200
    assert events_of(answer)[:2] == [{"content": "It"}, {"content": " is"}]
    assert "event: error\n" in answer.text
    assert events_of(answer)[-1].keys() == {"message", "error", "code"}
    assert await user.history(session_id) == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_the_model_stops_when_the_caller_hangs_up(
    user: Api, script: Script, *, stream: bool
) -> None:
    script.steps.append(Step(text="Paris", delay_s=60))
    session_id = await user.create()

    with pytest.raises(httpx2.ReadTimeout):
        await user.ask(
            "POST",
            f"/chat/{session_id}",
            json={"content": "hi", "stream": stream},
            timeout=0.3,
        )

    await until(lambda: script.hang_ups == 1)
    assert await user.history(session_id) == []


async def test_the_model_stops_when_the_caller_hangs_up_during_a_stream(
    user: Api, script: Script
) -> None:
    script.steps.append(Step(text="It is " + "very " * 50 + "far", delay_s=0.05))
    session_id = await user.create()
    headers = {"Authorization": f"Bearer {user.token}"}
    body = {"content": "hi", "stream": True}

    async with user.client.stream(
        "POST", f"/chat/{session_id}", json=body, headers=headers
    ) as answer:
        first = await anext(answer.aiter_lines())

    assert first == 'data: {"content":"It"}'
    await until(lambda: script.hang_ups == 1)
    assert await user.history(session_id) == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_repeated_chat_gets_the_same_response(
    user: Api, script: Script, *, stream: bool
) -> None:
    script.steps.append(Step(text="Paris"))
    session_id = await user.create()
    body = {"content": "hi", "stream": stream}

    first = await ask(user, session_id, body, **{"Idempotency-Key": "k1"})
    again = await ask(user, session_id, body, **{"Idempotency-Key": "k1"})
    other = await ask(user, session_id, {"content": "x"}, **{"Idempotency-Key": "k1"})

    assert first.text == again.text
    assert other.status_code == 409
    assert len(await user.history(session_id)) == 2


async def test_without_a_model_chat_is_503_and_says_what_to_set(mongo_url: str) -> None:
    app = SessionService(chat_settings(mongo_url))
    async with served(app) as url, httpx2.AsyncClient(base_url=url) as client:
        user = Api(client, "alice")
        session_id = await user.create()

        for stream in (False, True):
            answer = await ask(user, session_id, {"content": "hi", "stream": stream})

            assert answer.status_code == 503
            assert "SESSIONS_LLM_BASE_URL" in answer.json()["error"]


async def test_a_demo_says_that_it_is_one(mongo_url: str) -> None:
    app = SessionService(chat_settings(mongo_url), demo=True)
    async with served(app) as url, httpx2.AsyncClient(base_url=url) as client:
        user = Api(client, "alice")

        answer = await ask(user, await user.create(), {"content": "hi"})

    assert "demo without a model" in answer.json()["data"]["content"]
