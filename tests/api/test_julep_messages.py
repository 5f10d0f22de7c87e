"""ChatML and our messages: nothing is lost on the way in, or on the way out."""

import json
from typing import Any

import pytest

from tests.api.asking import Api
from tests.api.julep_asking import add, history, make_session
from tests.every import every

CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
TEXT = {"type": "text", "text": "What is this?"}

# As sent in the native dialect; as the Julep dialect shows it.
SHOWN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"role": "user", "content": "Hi"}, {"role": "user", "content": "Hi"}),
    ({"role": "assistant", "content": "Hi"}, {"role": "assistant", "content": "Hi"}),
    ({"role": "system", "content": "Be kind"}, {"role": "system", "content": "Be kind"}),
    ({"role": "user", "content": [TEXT, IMAGE]}, {"role": "user", "content": [TEXT, IMAGE]}),
    (
        {"role": "tool", "content": "-3", "name": "get_weather", "tool_call_id": "call_1"},
        {"role": "function", "content": "-3", "name": "get_weather", "tool_call_id": "call_1"},
    ),
    (
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {
            "role": "function_call",
            "content": {"name": "get_weather", "arguments": '{"city": "Oslo"}', "id": "call_1"},
        },
    ),
    (
        {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL]},
        {"role": "function_call", "content": {"content": "Let me see.", "tool_calls": [CALL]}},
    ),
    (
        {"role": "assistant", "content": None, "tool_calls": [CALL, CALL | {"id": "call_2"}]},
        {
            "role": "function_call",
            "content": {"content": None, "tool_calls": [CALL, CALL | {"id": "call_2"}]},
        },
    ),
    (
        {"role": "assistant", "tool_calls": [{"odd": True}]},
        {"role": "function_call", "content": {"content": None, "tool_calls": [{"odd": True}]}},
    ),
]
LOSSLESS = [native | {"content": native.get("content")} for native, _ in SHOWN]


def parsed(message: dict[str, Any]) -> dict[str, Any]:
    """Return the message without what the service adds, with the JSON of calls parsed."""
    shown = {k: v for k, v in message.items() if k not in {"id", "created_at"} and v is not None}
    if shown["role"] == "function_call":
        shown["content"] = json.loads(shown["content"])
    return shown


@pytest.mark.parametrize(("sent", "expected"), SHOWN, ids=str)
async def test_a_message_is_shown_in_chatml(
    alice: Api, sent: dict[str, Any], expected: dict[str, Any]
) -> None:
    session_id = await alice.create()
    await alice.update(session_id, sent)

    [shown] = await history(alice, session_id)

    assert parsed(shown) == expected


@pytest.mark.parametrize("native", LOSSLESS, ids=str)
async def test_a_message_that_goes_out_and_comes_back_is_the_same(
    alice: Api, native: dict[str, Any]
) -> None:
    session_id = await alice.create()
    await alice.update(session_id, native)
    [shown] = await history(alice, session_id)

    other_id = await make_session(alice)
    await add(alice, other_id, **shown)

    assert await alice.history(other_id) == await alice.history(session_id) == [native]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "text"},
        {"type": "image_url", "image_url": "https://example.com/a.png"},
        {"type": "image_url", "image_url": {"url": "u", "detail": ["low"]}},
    ],
    ids=str,
)
async def test_parts_unknown_to_chatml_are_shown_as_their_json(
    alice: Api, part: dict[str, Any]
) -> None:
    session_id = await alice.create()
    await alice.update(session_id, {"role": "user", "content": [TEXT, part]})

    [shown] = await history(alice, session_id)

    assert shown["content"][0] == TEXT
    assert shown["content"][1].keys() == {"type", "text"}
    assert json.loads(shown["content"][1]["text"]) == part


async def test_arguments_may_be_an_object(alice: Api) -> None:
    session_id = await make_session(alice)
    content = json.dumps({"name": "f", "arguments": {"a": 1}, "id": "c"})

    await add(alice, session_id, role="function_call", content=content)

    [message] = await alice.history(session_id)
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}


async def test_a_call_without_an_id_gets_one(alice: Api) -> None:
    session_id = await make_session(alice)

    for _ in range(2):
        await add(alice, session_id, role="function_call", content='{"name": "f"}')

    ids = [message["tool_calls"][0]["id"] for message in await alice.history(session_id)]
    assert len(set(ids)) == 2
    assert every(call_id.startswith("call_") for call_id in ids)


async def test_a_result_that_names_only_the_tool_gets_the_id_of_its_call(alice: Api) -> None:
    session_id = await make_session(alice)
    content = json.dumps({"name": "get_weather", "arguments": "{}", "id": "call_7"})
    await add(alice, session_id, role="function_call", content=content)

    added = await add(alice, session_id, role="function", name="get_weather", content="-3")

    assert added["tool_call_id"] == "call_7"
    [_, result] = await alice.history(session_id)
    assert result == {
        "role": "tool",
        "content": "-3",
        "name": "get_weather",
        "tool_call_id": "call_7",
    }


async def test_a_result_that_answers_no_call_is_kept_as_it_is(alice: Api) -> None:
    session_id = await make_session(alice)

    added = await add(alice, session_id, role="function", name="get_weather", content="-3")

    assert "tool_call_id" not in added
    assert await alice.history(session_id) == [
        {"role": "tool", "content": "-3", "name": "get_weather"}
    ]
