"""Chats with the service as a client of Julep would send them."""

import json
from typing import Any

import httpx2

from service.llm.scripted import Script
from tests.api.asking import Api
from tests.every import every

CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
QUESTION = {"role": "user", "content": "How cold is it in Oslo?"}


async def send(api: Api, session_id: str, **body: Any) -> httpx2.Response:
    body = {"messages": [QUESTION]} | body
    return await api.ask("POST", f"/sessions/{session_id}/chat", json=body)


async def chat(api: Api, session_id: str, **body: Any) -> dict[str, Any]:
    answer = await send(api, session_id, **body)
    assert answer.status_code == 200, answer.text
    response: dict[str, Any] = answer.json()
    return response


def chunks_of(answer: httpx2.Response) -> list[dict[str, Any]]:
    """Return the chunks of a whole stream."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    *lines, last, rest = answer.text.split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    assert every(line.startswith("data: ") for line in lines)
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def asked(script: Script) -> list[tuple[str, Any]]:
    return [(m["role"], m["content"]) for m in script.requests[-1]["messages"]]


def told(messages: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(message["role"], message["content"]) for message in messages]
