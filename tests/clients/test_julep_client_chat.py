"""PyPI's julep 0.3.9 chats, and reads histories and suggestions, unchanged."""

import json

import pytest

from service.llm.scripted import Script, Step
from tests.clients.julep_client import JulepClient, Refused

QUESTION = {"role": "user", "content": "How cold is it in Oslo?"}
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}
FUNCTION = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
TOOL_CALL = {"id": "call_1", "type": "function", "function": FUNCTION}


async def test_it_chats_and_reads_the_history(client: JulepClient, script: Script) -> None:
    session_id = await client.create(situation="Be brief.")
    script.steps.append(Step(text="Three below.", usage=(12, 3)))

    response = await client.chat(session_id, QUESTION)

    [[message]] = response["response"]
    assert (message["role"], message["content"]) == ("assistant", "Three below.")
    assert response["finish_reason"] == "stop"
    assert response["usage"] == {"completion_tokens": 3, "prompt_tokens": 12, "total_tokens": 15}
    assert response["doc_ids"] == {"agent_doc_ids": [], "user_doc_ids": []}
    history = await client.call("history", session_id=session_id)
    assert [item["id"] for item in history][1:] == [message["id"]]
    assert await client.history(session_id) == [
        ("user", QUESTION["content"]),
        ("assistant", "Three below."),
    ]


async def test_it_reads_the_history_in_pages(client: JulepClient, script: Script) -> None:
    session_id = await client.create()
    script.steps.append(Step(text="Three below."))
    await client.chat(session_id, QUESTION)

    [message] = await client.call("history", session_id=session_id, limit=1, offset=1)

    assert message["content"] == "Three below."


async def test_it_chats_with_every_setting_it_knows(client: JulepClient, script: Script) -> None:
    session_id = await client.create()
    known = {
        "frequency_penalty": 0.5,
        "logit_bias": {"1": 5},
        "max_tokens": 100,
        "presence_penalty": 0.5,
        "response_format": {"type": "text"},
        "seed": 7,
        "stop": ["END"],
        "temperature": 0.5,
        "top_p": 0.9,
    }

    await client.chat(session_id, QUESTION, length_penalty=1.0, repetition_penalty=1.0, **known)

    assert {name: script.requests[-1][name] for name in known} == known


async def test_it_chats_with_parts(client: JulepClient, script: Script) -> None:
    session_id = await client.create()
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    parts = [{"type": "text", "text": "What is this?"}, image]

    await client.chat(session_id, {"role": "user", "content": parts})

    [message, _] = await client.call("history", session_id=session_id)
    assert [part["type"] for part in message["content"]] == ["text", "image_url"]
    assert script.requests[-1]["messages"][-1]["content"] == parts


async def test_it_chats_without_leaving_a_trace(client: JulepClient, script: Script) -> None:
    session_id = await client.create()

    # Its async client sends `recall` in place of `remember`.
    await client.chat(session_id, QUESTION, recall=False, remember=False)

    assert await client.history(session_id) == []


async def test_its_tools_are_called_and_their_results_are_used(
    client: JulepClient, script: Script
) -> None:
    session_id = await client.create()
    script.steps.extend([Step(tool_calls=[TOOL_CALL]), Step(text="Three below.")])

    called = await client.chat(session_id, QUESTION, tools=[TOOL], tool_choice="auto")
    result = {"role": "function", "name": "get_weather", "content": "-3"}
    answered = await client.chat(session_id, result, tools=[TOOL])

    [[call]] = called["response"]
    assert (called["finish_reason"], call["role"]) == ("tool_calls", "function_call")
    assert json.loads(call["content"]) == FUNCTION | {"id": "call_1"}
    assert script.requests[0]["tools"] == [TOOL]
    assert script.requests[1]["messages"][-1]["tool_call_id"] == "call_1"
    assert answered["response"][0][0]["content"] == "Three below."
    roles = [role for role, _ in await client.history(session_id)]
    assert roles == ["user", "function_call", "function", "assistant"]


async def test_it_learns_that_a_conversation_is_over_its_budget(client: JulepClient) -> None:
    session_id = await client.create(token_budget=10, context_overflow=None)

    with pytest.raises(Refused, match="token_budget allows 10") as refused:
        await client.chat(session_id, QUESTION | {"content": "word " * 50})

    assert refused.value.status == 400


async def test_a_session_that_truncates_leaves_out_the_oldest(
    client: JulepClient, script: Script
) -> None:
    session_id = await client.create(token_budget=60, context_overflow="truncate")
    script.steps.extend(Step(text="An answer about something.") for _ in range(5))
    for _ in range(4):
        await client.chat(session_id, QUESTION)

    await client.chat(session_id, QUESTION)

    assert 1 < len(script.requests[-1]["messages"]) < 9
    assert len(await client.history(session_id)) == 10


async def test_a_session_that_adapts_has_a_summary(client: JulepClient, script: Script) -> None:
    session_id = await client.create(token_budget=60, context_overflow="adaptive")
    script.steps.append(Step(text="An answer about something. " * 10))
    await client.chat(session_id, QUESTION)
    script.steps.extend([Step(text="They spoke of Oslo."), Step(text="Cold.")])

    response = await client.chat(session_id, QUESTION)

    assert response["response"][0][0]["content"] == "Cold."
    assert (await client.get(session_id))["summary"] == "They spoke of Oslo."
    assert len(await client.history(session_id)) == 4


async def test_it_reads_suggestions(client: JulepClient, script: Script) -> None:
    session_id = await client.create()
    script.steps.extend([Step(text="Cold."), Step(text="user: And in Bergen?\nagent: Anything?")])
    await client.chat(session_id, QUESTION)

    suggestions = await client.call("suggestions", session_id=session_id)
    page = await client.call("suggestions", session_id=session_id, limit=1, offset=1)

    assert [(s["target"], s["content"]) for s in suggestions] == [
        ("user", "And in Bergen?"),
        ("agent", "Anything?"),
    ]
    assert {s["session_id"] for s in suggestions} == {session_id}
    assert page == suggestions[1:]


async def test_it_deletes_a_history_and_keeps_the_session(
    client: JulepClient, script: Script
) -> None:
    session_id = await client.create()
    await client.chat(session_id, QUESTION)

    assert await client.call("delete_history", session_id=session_id) is None

    assert await client.history(session_id) == []
    assert (await client.get(session_id))["id"] == session_id
