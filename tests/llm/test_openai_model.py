"""A model over HTTP: what it is sent, what comes back, and what can go wrong."""

import asyncio
import time
from contextlib import aclosing
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from service.domain.chat.completion import Completion, Delta, ModelSettings, ToolCallDelta
from service.domain.errors import ModelFailed, ModelTimeout
from service.domain.models import NewMessage, Role, Usage
from service.llm.bounded import UnusableResponse, bound
from service.llm.openai_model import OpenAIModel
from service.llm.scripted import Script, Step
from tests.served import until

pytestmark = pytest.mark.alone

PROMPT = [NewMessage(role=Role.USER, content="What is the capital of France?")]
CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": "x"}'}}
JUNK = [
    b"",
    b"null",
    b"5",
    b"[]",
    b"{}",
    b"<html>no</html>",
    b'{"choices": []}',
    b'{"choices": [null]}',
    b'{"choices": {"a": 1}}',
    b'{"choices": [{"message": {"content": 5}}]}',
    b'{"choices": [{"message": {"content": null}}]}',
    b'{"choices": [{"message": {"tool_calls": [{"function": {"name": "f"}}]}}]}',
    b'{"choices": [{"message": {"tool_calls": [{"id": "", "function": {"name": "f"}}]}}]}',
    b"[" * 100_000,
    b"\xff\xfe",
]
STREAMED_JUNK = [
    *(b"data: " + junk + b"\n\ndata: [DONE]\n\n" for junk in JUNK),
    b'data: {"choices": [{"delta": {"content": 7}}]}\n\n',
    b'data: {"choices": [{"delta": {"tool_calls": [{"index": 1000000}]}}]}\n\n',
    b'data: {"choices": [{"delta": [1], "finish_reason": {}}]}\n\n',
    b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}\n\n',
    b'event: thread.x\ndata: {"error": 1}\n\n',
    b'data: {"error": {"message": "the provider\'s own words"}}\n\n',
]


async def streamed(
    model: OpenAIModel, settings: ModelSettings | None = None
) -> tuple[list[Delta], Completion]:
    pieces = [piece async for piece in model.stream(PROMPT, settings or ModelSettings())]
    *deltas, last = pieces
    assert isinstance(last, Completion)
    return [delta for delta in deltas if not isinstance(delta, Completion)], last


async def test_a_completion_has_its_text_usage_and_finish_reason(
    model: OpenAIModel, script: Script
) -> None:
    script.steps.append(Step(text="Paris", usage=(12, 3)))

    answer = await model.complete(PROMPT, ModelSettings())

    assert (answer.message.role, answer.message.content) == (Role.ASSISTANT, "Paris")
    assert answer.usage == Usage(prompt_tokens=12, completion_tokens=3)
    assert answer.finish_reason == "stop"


async def test_a_streamed_completion_arrives_in_pieces_and_then_whole(
    model: OpenAIModel, script: Script
) -> None:
    script.steps.append(Step(text="It is Paris", usage=(12, 3), finish_reason="length"))

    deltas, answer = await streamed(model)

    assert deltas == ["It", " is", " Paris"]
    assert answer.message.content == "It is Paris"
    assert answer.usage == Usage(prompt_tokens=12, completion_tokens=3)
    assert answer.finish_reason == "length"


async def test_tool_calls_come_back_as_they_are(model: OpenAIModel, script: Script) -> None:
    script.steps.append(Step(tool_calls=[CALL]))

    answer = await model.complete(PROMPT, ModelSettings())

    assert answer.message.tool_calls == [CALL]
    assert answer.message.content is None
    assert answer.finish_reason == "tool_calls"


async def test_streamed_tool_calls_are_put_together(model: OpenAIModel, script: Script) -> None:
    other = {**CALL, "id": "c2"}
    script.steps.append(Step(text="One moment", tool_calls=[CALL, other]))

    deltas, answer = await streamed(model)

    assert answer.message.tool_calls == [CALL, other]
    assert answer.message.content == "One moment"
    assert deltas[2] == ToolCallDelta(index=0, id="c1", name="find", arguments='{"q":')


async def test_the_model_is_sent_what_the_settings_say_and_nothing_else(
    model: OpenAIModel, script: Script
) -> None:
    settings = ModelSettings(temperature=0.5, max_tokens=9, stop=["x"], tools=[{"type": "t"}])
    prompt = [
        NewMessage(role=Role.ASSISTANT, tool_calls=[CALL], metadata={"secret": 1}, client_key="k"),
        NewMessage(role=Role.TOOL, content="y", tool_call_id="c1", name="find"),
    ]

    await model.complete(prompt, settings)

    assert script.requests[0] == {
        "model": "small",
        "messages": [
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "y", "name": "find", "tool_call_id": "c1"},
        ],
        "temperature": 0.5,
        "max_tokens": 9,
        "stop": ["x"],
        "tools": [{"type": "t"}],
    }
    assert script.last_authorization == "Bearer the key"


async def test_the_token_limit_is_sent_under_the_configured_name(url: str, script: Script) -> None:
    name = "max_completion_tokens"
    model = OpenAIModel(url, "o", None, timeout_s=5, max_retries=0, max_tokens_field=name)

    await model.complete(PROMPT, ModelSettings(max_tokens=9))

    assert script.requests[0][name] == 9
    assert "max_tokens" not in script.requests[0]
    await model.aclose()


async def test_a_chat_may_name_another_model(model: OpenAIModel, script: Script) -> None:
    await streamed(model, ModelSettings(model="large"))

    assert script.requests[0]["model"] == "large"


async def test_a_key_in_the_environment_is_not_sent(
    url: str, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "someone's key")
    model = OpenAIModel(url, "small", None, timeout_s=5, max_retries=0)

    await model.complete(PROMPT, ModelSettings())

    assert script.last_authorization == "Bearer none"
    await model.aclose()


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk[:60]))
async def test_junk_is_a_failure(model: OpenAIModel, script: Script, junk: bytes) -> None:
    script.steps.append(Step(junk=junk))

    with pytest.raises(ModelFailed):
        await model.complete(PROMPT, ModelSettings())


@pytest.mark.parametrize("junk", STREAMED_JUNK, ids=lambda junk: repr(junk[:60]))
async def test_streamed_junk_is_a_failure(model: OpenAIModel, script: Script, junk: bytes) -> None:
    script.steps.append(Step(junk=junk))

    with pytest.raises(ModelFailed):
        await streamed(model)


async def refusals(model: OpenAIModel, script: Script, step: Step) -> list[str]:
    """Return what a failure says, whole and streamed."""
    script.steps.extend([step, step])
    with pytest.raises(ModelFailed) as whole:
        await model.complete(PROMPT, ModelSettings())
    with pytest.raises(ModelFailed) as stream:
        await streamed(model)
    return [str(whole.value), str(stream.value)]


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_what_a_server_says_about_a_refused_request_reaches_the_caller(
    model: OpenAIModel, script: Script, status: int
) -> None:
    said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."

    texts = await refusals(model, script, Step(status=status, says=said))

    expected = f"The chat model refused the request: {said[:-1]}; nothing was stored."
    assert texts == [expected, expected]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_what_a_server_says_about_keys_and_about_itself_does_not(
    model: OpenAIModel, script: Script, status: int
) -> None:
    for text in await refusals(model, script, Step(status=status)):
        assert "own words" not in text


@pytest.mark.parametrize(
    ("status", "helps"), [(400, False), (401, False), (404, False), (429, True), (503, True)]
)
async def test_trying_again_is_advised_only_when_it_can_help(
    model: OpenAIModel, script: Script, status: int, *, helps: bool
) -> None:
    for text in await refusals(model, script, Step(status=status)):
        assert ("Try again" in text) == helps


async def test_an_error_within_a_stream_is_a_failure_with_its_text(
    model: OpenAIModel, script: Script
) -> None:
    script.steps.append(Step(junk=b'data: {"error": {"message": "overloaded"}}\n\n'))

    with pytest.raises(ModelFailed, match="failed: overloaded; nothing was stored"):
        await streamed(model)


@pytest.mark.parametrize("ends_cleanly", [True, False], ids=["closed", "broken"])
async def test_a_stream_that_is_cut_off_is_a_failure(
    model: OpenAIModel, script: Script, *, ends_cleanly: bool
) -> None:
    script.steps.append(Step(text="It is Paris", cut_after=2, ends_cleanly=ends_cleanly))
    pieces = model.stream(PROMPT, ModelSettings())

    first = [await anext(pieces), await anext(pieces)]
    with pytest.raises(ModelFailed):
        await anext(pieces)

    assert first == ["It", " is"]


async def test_a_whole_response_that_is_cut_off_is_a_failure(
    model: OpenAIModel, script: Script
) -> None:
    script.steps.append(Step(text="It is Paris", cut_after=0))

    with pytest.raises(ModelFailed):
        await model.complete(PROMPT, ModelSettings())


async def test_a_model_that_is_away_is_a_failure() -> None:
    model = OpenAIModel("http://127.0.0.1:9/v1", "small", None, timeout_s=5, max_retries=0)

    with pytest.raises(ModelFailed, match="could not be reached"):
        await model.complete(PROMPT, ModelSettings())

    await model.aclose()


async def test_a_response_that_is_too_late_is_not_waited_for(url: str, script: Script) -> None:
    script.steps.append(Step(text="Paris", delay_s=5))
    model = OpenAIModel(url, "small", None, timeout_s=0.2, max_retries=5)
    begun_s = time.monotonic()

    with pytest.raises(ModelTimeout, match=r"within 0\.2 seconds"):
        await model.complete(PROMPT, ModelSettings())

    assert time.monotonic() - begun_s < 1
    await model.aclose()


async def test_a_stream_has_one_deadline_for_all_its_pieces(url: str, script: Script) -> None:
    script.steps.append(Step(text="a b c d e f g h i j", delay_s=0.1))
    model = OpenAIModel(url, "small", None, timeout_s=0.35, max_retries=0)

    with pytest.raises(ModelTimeout):
        await streamed(model)

    await model.aclose()


async def test_a_failed_call_is_retried_as_often_as_configured(url: str, script: Script) -> None:
    script.steps.extend([Step(status=503), Step(status=429), Step(text="Paris")])
    patient = OpenAIModel(url, "small", SecretStr("k"), timeout_s=20, max_retries=2)

    answer = await patient.complete(PROMPT, ModelSettings())

    assert answer.message.content == "Paris"
    assert len(script.requests) == 3
    await patient.aclose()


async def test_a_broken_stream_is_not_restarted(url: str, script: Script) -> None:
    script.steps.append(Step(text="It is Paris", cut_after=1))
    model = OpenAIModel(url, "small", None, timeout_s=5, max_retries=5)

    with pytest.raises(ModelFailed):
        await streamed(model)

    assert len(script.requests) == 1
    await model.aclose()


async def test_the_model_stops_when_the_call_is_cancelled(
    model: OpenAIModel, script: Script
) -> None:
    script.steps.append(Step(text="Paris", delay_s=60))
    call = asyncio.create_task(model.complete(PROMPT, ModelSettings()))
    await until(lambda: bool(script.requests))

    call.cancel()

    await until(lambda: script.hang_ups == 1)
    assert call.cancelled()


async def test_the_model_stops_when_the_stream_is_closed(
    model: OpenAIModel, script: Script
) -> None:
    script.steps.append(Step(text="It is Paris", delay_s=0.05))

    async with aclosing(model.stream(PROMPT, ModelSettings())) as pieces:
        assert await anext(pieces) == "It"

    await until(lambda: script.hang_ups == 1)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Step(text="a", finish_reason="eos"), "stop"),
        (Step(tool_calls=[CALL], finish_reason="eos"), "tool_calls"),
        (Step(text="a", finish_reason="content_filter"), "content_filter"),
    ],
    ids=["text", "calls", "known"],
)
async def test_a_finish_reason_is_always_one_of_the_known_ones(
    model: OpenAIModel, script: Script, step: Step, reason: str
) -> None:
    script.steps.append(step)

    answer = await model.complete(PROMPT, ModelSettings())

    assert answer.finish_reason == reason


async def test_a_compressed_response_is_not_read() -> None:
    response = httpx2.Response(200, headers={"Content-Encoding": "gzip"})

    with pytest.raises(UnusableResponse):
        await bound(response)


async def test_a_response_without_usage_has_none(model: OpenAIModel, script: Script) -> None:
    script.steps.extend([Step(text="a", usage=None), Step(text="a", usage=None)])

    whole = await model.complete(PROMPT, ModelSettings())
    _, stream = await streamed(model)

    assert whole.usage == stream.usage == Usage()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_response_that_is_too_long_is_a_failure(
    model: OpenAIModel, script: Script, *, stream: bool
) -> None:
    script.steps.append(Step(text="a" * 300_000 + " " + "b" * 300_000))
    ask: Any = streamed(model) if stream else model.complete(PROMPT, ModelSettings())

    with pytest.raises(ModelFailed, match="too long"):
        await ask


async def test_an_endless_body_is_not_read(model: OpenAIModel, script: Script) -> None:
    script.steps.append(Step(junk=b" " * (33 * 1024 * 1024)))

    with pytest.raises(ModelFailed):
        await model.complete(PROMPT, ModelSettings())
