"""Chat by key, streamed: events as they arrive, and one that says what went wrong."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.llm.scripted import Script, Step
from tests.api.asking import Api
from tests.api.keyed_asking import CALL, FAILURES, listed, log_of, talking_service

CHAT, STREAM = "/api/v1/chat", "/api/v1/chat/stream"
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


def events_of(answer: httpx2.Response) -> list[tuple[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = re.findall(r"event: (\w+)\ndata: (.*)\n\n", answer.text)
    assert "".join(f"event: {name}\ndata: {data}\n\n" for name, data in events) == answer.text
    return [(name, json.loads(data)) for name, data in events]


async def test_a_stream_is_start_then_tokens_then_done(talker: Api, script: Script) -> None:
    script.steps.append(Step(text="Paris it is.", usage=(12, 3)))

    answer = await talker.ask("POST", STREAM, json={"message": "Capital?", "session_key": "k"})

    usage = {"prompt_tokens": 12, "completion_tokens": 3}
    assert events_of(answer) == [
        ("start", {"session_key": "k"}),
        ("token", {"text": "Paris"}),
        ("token", {"text": " it"}),
        ("token", {"text": " is."}),
        ("done", {"iterations": 1, "usage": usage, "tool_calls_made": []}),
    ]
    assert await log_of(talker, "k") == [("user", "Capital?"), ("assistant", "Paris it is.")]


async def test_a_stream_must_not_be_cached_or_buffered(talker: Api) -> None:
    answer = await talker.ask("POST", STREAM, json={"message": "x", "session_key": "k"})

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"


async def test_a_stream_begins_with_the_key_of_a_new_session(talker: Api) -> None:
    answer = await talker.ask("POST", STREAM, json={"message": "x"})

    [(name, data), *_] = events_of(answer)
    assert name == "start"
    assert await listed(talker) == [data["session_key"]]


async def test_a_streamed_tool_call_is_named_at_the_end(talker: Api, script: Script) -> None:
    script.steps.append(Step(tool_calls=[CALL]))

    answer = await talker.ask("POST", STREAM, json={"message": "x", "session_key": "k"})

    [_, (name, data)] = events_of(answer)
    assert name == "done"
    assert data["tool_calls_made"] == ["search"]


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_stream_that_fails_immediately_ends_with_an_error(
    talker: Api, script: Script, failure: str
) -> None:
    script.steps.append(FAILURES[failure])

    answer = await talker.ask("POST", STREAM, json={"message": "x", "session_key": "k"})

    assert events_of(answer) == [("start", {"session_key": "k"}), ("error", FAILED)]
    assert await log_of(talker, "k") == []


async def test_a_stream_cut_off_in_the_middle_ends_with_an_error_and_stores_nothing(
    talker: Api, script: Script
) -> None:
    script.steps.append(Step(text="one two three four", cut_after=2))

    answer = await talker.ask("POST", STREAM, json={"message": "x", "session_key": "k"})

    events = events_of(answer)
    assert [name for name, _ in events] == ["start", "token", "token", "error"]
    assert events[-1] == ("error", FAILED)
    assert await log_of(talker, "k") == []


async def test_the_first_words_arrive_before_the_last_ones_are_generated(
    talker: Api, script: Script
) -> None:
    script.steps.append(Step(text="one two three", delay_s=0.2))
    body = {"message": "x", "session_key": "k"}
    headers = {"Authorization": f"Bearer {talker.token}"}
    clock = asyncio.get_running_loop().time

    async with talker.client.stream("POST", STREAM, json=body, headers=headers) as answer:
        came = [clock() async for _ in answer.aiter_raw()]

    assert len(came) >= 5
    assert came[-1] - came[0] > 0.5


@pytest.mark.parametrize("path", [CHAT, STREAM])
async def test_when_the_caller_hangs_up_the_model_stops_and_nothing_is_stored(
    talker: Api, script: Script, path: str
) -> None:
    await talker.create(key="k")
    before = script.hang_ups
    script.steps.append(Step(text="one two three", delay_s=0.9))

    with pytest.raises(httpx2.ReadTimeout):
        await talker.ask("POST", path, json={"message": "x", "session_key": "k"}, timeout=0.3)
    async with asyncio.timeout(5):
        while script.hang_ups == before:  # noqa: ASYNC110  The script sets no event.
            await asyncio.sleep(0.01)

    assert await log_of(talker, "k") == []
