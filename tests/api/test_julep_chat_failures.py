"""Chats in the Julep dialect that fail, whole or streamed: nothing is stored."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.llm.scripted import Script, Step
from tests.api.asking import Api
from tests.api.julep_asking import NOT_FOUND, history, make_session
from tests.api.julep_chatting import QUESTION, send

BAD_CHATS: list[tuple[dict[str, Any], str]] = [
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": [QUESTION] * 1000}, "messages: must be 1 to 999 in number"),
    ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": ""}]}, "content: must hold more than blanks"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "function_call", "content": "x"}]}, "content: of a function_call"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 16385}, "max_tokens"),
    ({"max_tokens": 10**30}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"stop": []}, "stop"),
    ({"seed": 2**63}, "seed"),
    ({"frequency_penalty": 3}, "frequency_penalty"),
    ({"presence_penalty": -3}, "presence_penalty"),
    ({"logit_bias": {"1": 101}}, "logit_bias"),
    ({"response_format": {"type": "regex"}}, "response_format.type"),
    ({"tools": [{"type": "webhook"}]}, "tools.0"),
    ({"tool_choice": {"type": "function"}}, "tool_choice"),
    ({"tool_choice": "not a name"}, "tool_choice"),
    ({"stream": "yes"}, "stream"),
    ({"recall": 1}, "recall"),
]
FAILURES = {
    "an error": Step(status=500),
    "the caller's fault": Step(status=400),
    "junk": Step(junk=b"no JSON"),
    "silence": Step(text="late", delay_s=5),
    "an answer that is cut off": Step(text="one two three", cut_after=0),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_model_that_fails_is_502_and_nothing_is_stored(
    talker: Api, script: Script, failure: str, *, stream: bool
) -> None:
    session_id = await make_session(talker)
    script.steps.append(FAILURES[failure])

    answer = await send(talker, session_id, stream=stream)

    assert answer.status_code == 502
    assert answer.json().keys() == {"detail"}
    refused = failure == "the caller's fault"
    assert ("provider's own words" in answer.text) == refused
    assert await history(talker, session_id) == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("body", "problem"), BAD_CHATS, ids=lambda value: str(value)[:50])
async def test_a_bad_chat_is_422_and_the_model_is_not_called(
    talker: Api, script: Script, body: dict[str, Any], problem: str, *, stream: bool
) -> None:
    session_id = await make_session(talker)

    answer = await send(talker, session_id, **{"stream": stream} | body)

    assert answer.status_code == 422, answer.text
    assert answer.json().keys() == {"status_code", "message", "data"}
    assert answer.json()["message"].startswith(problem)
    assert not script.requests
    assert await history(talker, session_id) == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("role", ["user", "function"])
async def test_chat_in_an_unknown_session_is_404(
    talker: Api, script: Script, role: str, *, stream: bool
) -> None:
    messages = [{"role": role, "content": "x"}]

    answer = await send(talker, str(uuid4()), messages=messages, stream=stream)

    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    assert not script.requests


async def test_chat_in_another_users_session_is_404(
    talking: httpx2.AsyncClient, talker: Api, script: Script
) -> None:
    session_id = await make_session(talker)

    answer = await send(Api(talking, "mallory"), session_id)

    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    assert not script.requests
