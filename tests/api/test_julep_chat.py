"""Chat in the Julep dialect: with a scripted model on a real port, whole and streamed."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.llm.scripted import Script, Step
from tests.api.asking import Api
from tests.api.julep_asking import add, history, make_session, show
from tests.api.julep_chatting import CALL, QUESTION, TOOL, asked, chat, send, told
from tests.every import every

SETTINGS: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "max_tokens": 100,
    "stop": ["\n", "END"],
    "seed": 7,
    "frequency_penalty": -1.0,
    "presence_penalty": 1.5,
    "logit_bias": {"50256": -100.0},
    "tool_choice": "auto",
}
# Everything the real client sends with each chat.
NULLS = dict.fromkeys(
    [
        *("tools", "tool_choice", "frequency_penalty", "length_penalty", "logit_bias"),
        *("max_tokens", "presence_penalty", "repetition_penalty", "response_format", "seed"),
        *("stop", "stream", "temperature", "top_p", "recall", "remember", "record"),
    ]
)


async def test_a_chat_returns_the_message_its_finish_reason_and_its_cost(
    talker: Api, script: Script
) -> None:
    session_id = await make_session(talker)
    script.steps.append(Step(text="Three below.", usage=(12, 3)))

    response = await chat(talker, session_id)

    assert UUID(response.pop("id")).version == 4
    [_, reply] = await history(talker, session_id)
    assert response == {
        "finish_reason": "stop",
        "response": [[reply]],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
        "jobs": [],
        "doc_ids": {"agent_doc_ids": [], "user_doc_ids": []},
    }
    assert (reply["role"], reply["content"]) == ("assistant", "Three below.")


async def test_the_model_gets_situation_window_and_messages_in_this_order(
    talker: Api, script: Script
) -> None:
    session_id = await make_session(talker, situation="Be brief.")
    await add(talker, session_id, role="user", content="Hello")

    await chat(talker, session_id, messages=[QUESTION, {"role": "user", "content": "Well?"}])

    assert asked(script) == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("user", QUESTION["content"]),
        ("user", "Well?"),
    ]


async def test_the_messages_and_the_reply_are_remembered(talker: Api, script: Script) -> None:
    session_id = await make_session(talker)
    script.steps.append(Step(text="Cold."))

    await chat(talker, session_id, messages=[{"role": "system", "content": "Hm."}, QUESTION])

    assert told(await history(talker, session_id)) == [
        ("system", "Hm."),
        ("user", QUESTION["content"]),
        ("assistant", "Cold."),
    ]


@pytest.mark.parametrize("field", ["remember", "record"])
@pytest.mark.parametrize("stream", [False, True])
async def test_nothing_is_stored_if_the_request_says_so(
    talker: Api, script: Script, field: str, *, stream: bool
) -> None:
    session_id = await make_session(talker)

    answer = await send(talker, session_id, stream=stream, **{field: False})

    assert answer.status_code == 200
    assert await history(talker, session_id) == []


async def test_without_recall_the_window_is_left_out(talker: Api, script: Script) -> None:
    session_id = await make_session(talker, situation="Be brief.")
    await add(talker, session_id, role="user", content="Hello")

    await chat(talker, session_id, recall=False)

    assert asked(script) == [("system", "Be brief."), ("user", QUESTION["content"])]


async def test_the_settings_reach_the_model(talker: Api, script: Script) -> None:
    session_id = await make_session(talker)

    await chat(talker, session_id, tools=[TOOL | {"id": str(uuid4())}], **SETTINGS)

    request = script.requests[-1]
    assert {name: request[name] for name in SETTINGS} == SETTINGS
    assert request["tools"] == [TOOL]


async def test_settings_that_are_null_or_unknown_do_not_reach_the_model(
    talker: Api, script: Script
) -> None:
    session_id = await make_session(talker)

    await chat(talker, session_id, **NULLS, min_p=0.1, preset="fun")

    assert script.requests[-1].keys() == {"model", "messages"}
    assert len(await history(talker, session_id)) == 2


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"type": "text"}, {"type": "text"}),
        ({"type": "json_object"}, {"type": "json_object"}),
        ({"type": "json_object", "schema": {}, "pattern": None}, {"type": "json_object"}),
        (
            {"type": "json_object", "schema": {"type": "object"}},
            {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": {"type": "object"}},
            },
        ),
    ],
    ids=str,
)
async def test_the_response_format_reaches_the_model_in_a_form_it_knows(
    talker: Api, script: Script, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    session_id = await make_session(talker)

    await chat(talker, session_id, response_format=given)

    assert script.requests[-1]["response_format"] == sent


@pytest.mark.parametrize(
    "choice", ["get_weather", {"type": "function", "function": {"name": "get_weather"}}], ids=str
)
async def test_a_tool_may_be_chosen_by_name(talker: Api, script: Script, choice: Any) -> None:
    session_id = await make_session(talker, tools=[TOOL])

    await chat(talker, session_id, tool_choice=choice)

    expected = {"type": "function", "function": {"name": "get_weather"}}
    assert script.requests[-1]["tool_choice"] == expected


async def test_the_sessions_tools_reach_the_model_without_ids(talker: Api, script: Script) -> None:
    session_id = await make_session(talker, tools=[TOOL])

    await chat(talker, session_id)

    assert script.requests[-1]["tools"] == [TOOL]


async def test_a_tool_is_called_and_answered(talker: Api, script: Script) -> None:
    session_id = await make_session(talker, tools=[TOOL])
    script.steps.extend([Step(tool_calls=[CALL]), Step(text="Three below.")])

    called = await chat(talker, session_id)
    result = {"role": "function", "name": "get_weather", "content": "-3"}
    await chat(talker, session_id, messages=[result])

    [[message]] = called["response"]
    assert called["finish_reason"] == "tool_calls"
    assert message["role"] == "function_call"
    assert json.loads(message["content"]) == {
        "name": "get_weather",
        "arguments": '{"city": "Oslo"}',
        "id": "call_1",
    }
    assert script.requests[-1]["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "-3", "name": "get_weather", "tool_call_id": "call_1"},
    ]
    roles = [role for role, _ in told(await history(talker, session_id))]
    assert roles == ["user", "function_call", "function", "assistant"]


async def test_a_conversation_over_its_budget_is_400_with_both_numbers(
    talker: Api, script: Script
) -> None:
    session_id = await make_session(talker, token_budget=10)

    answer = await send(talker, session_id, messages=[QUESTION | {"content": "word " * 50}])

    assert answer.status_code == 400
    assert answer.json().keys() == {"detail"}
    assert "token_budget allows 10" in answer.json()["detail"]
    assert not script.requests
    assert await history(talker, session_id) == []


@pytest.mark.parametrize("overflow", ["truncate", "adaptive"])
async def test_a_conversation_over_its_budget_continues_if_it_may_be_cut(
    talker: Api, script: Script, overflow: str
) -> None:
    session_id = await make_session(talker, token_budget=60, context_overflow=overflow)
    for _ in range(10):
        await add(talker, session_id, role="user", content="Something about the weather.")

    response = await chat(talker, session_id)

    assert response["finish_reason"] == "stop"
    assert asked(script)[-1] == ("user", QUESTION["content"])
    assert len(await history(talker, session_id)) == 12


async def test_an_adaptive_session_shows_its_summary(talker: Api, script: Script) -> None:
    session_id = await make_session(talker, token_budget=60, context_overflow="adaptive")
    for _ in range(10):
        await add(talker, session_id, role="user", content="Something about the weather.")
    script.steps.extend([Step(text="They spoke of weather."), Step(text="Cold.")])

    await chat(talker, session_id)

    assert (await show(talker, session_id))["summary"] == "They spoke of weather."


async def test_suggestions_name_the_speaker_the_text_and_the_message_they_follow(
    talker: Api, script: Script
) -> None:
    session_id = await make_session(talker)
    added = await add(talker, session_id, **QUESTION)
    script.steps.append(Step(text="agent: Three below.\nuser: And in Bergen?"))

    answer = await talker.get(f"/sessions/{session_id}/suggestions")

    assert answer.status_code == 200
    items = answer.json()["items"]
    assert every(item.pop("created_at").endswith("Z") for item in items)
    common = {"message_id": added["id"], "session_id": session_id}
    assert items == [
        common | {"target": "agent", "content": "Three below."},
        common | {"target": "user", "content": "And in Bergen?"},
    ]


async def test_suggestions_are_paged(talker: Api, script: Script) -> None:
    session_id = await make_session(talker)
    await add(talker, session_id, **QUESTION)
    script.steps.append(Step(text="user: One\nuser: Two\nuser: Three"))

    answer = await talker.get(f"/sessions/{session_id}/suggestions", limit=1, offset=1)

    assert [item["content"] for item in answer.json()["items"]] == ["Two"]


async def test_suggestions_of_a_model_that_fails_are_502(talker: Api, script: Script) -> None:
    session_id = await make_session(talker)
    await add(talker, session_id, **QUESTION)
    script.steps.append(Step(status=500))

    answer = await talker.get(f"/sessions/{session_id}/suggestions")

    assert answer.status_code == 502
    assert answer.json().keys() == {"detail"}
