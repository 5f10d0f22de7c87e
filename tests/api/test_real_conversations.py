"""Real conversations go in over HTTP and come back equal, in order, and nothing more."""

import asyncio
import json
import os
import random
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.api.asking import Api

DIALOGUES = Path(__file__).parents[3] / "shared" / "data" / "dialogues.jsonl"
# 600 dialogues take a minute; REAL_DIALOGUES=600 asks for them all.
SAMPLE_SIZE = int(os.environ.get("REAL_DIALOGUES", "60"))
DIALOGUES_PER_USER = 10
AT_ONCE = 16

Dialogue = dict[str, Any]


def real_dialogues() -> list[Dialogue]:
    lines = DIALOGUES.read_text().splitlines()
    step = max(1, len(lines) // SAMPLE_SIZE)
    return [json.loads(line) for line in lines[::step][:SAMPLE_SIZE]]


def generated_dialogues() -> list[Dialogue]:
    """Return conversations with the traits of real ones, the same ones every time."""
    source = random.Random(2026)
    words = ["table", "für", "два", "人", "🙂", "a\nb", '"quoted"', "e\u0301", "\\", "{}"]

    def text() -> str:
        return " ".join(source.choices(words, k=source.randint(1, 40)))

    def exchange(n: int) -> list[Dialogue]:
        call = {"id": f"call_{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        return [
            {"role": "user", "content": text()},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"call_{n}", "content": text()},
            {"role": "assistant", "content": text()},
        ]

    return [
        {
            "dialogue_id": f"generated-{number}",
            "services": [f"service-{number % 5}"],
            "messages": [m for n in range(source.randint(1, 8)) for m in exchange(n)],
        }
        for number in range(SAMPLE_SIZE)
    ]


@pytest.fixture
def dialogues() -> list[Dialogue]:
    return real_dialogues() if DIALOGUES.exists() else generated_dialogues()


async def test_conversations_come_back_equal_in_order_and_nothing_more(
    client: httpx2.AsyncClient, dialogues: list[Dialogue]
) -> None:
    run = uuid4().hex
    at_once = asyncio.Semaphore(AT_ONCE)

    async def store(number: int, dialogue: Dialogue) -> tuple[Api, str]:
        user = Api(client, f"user-{number // DIALOGUES_PER_USER}-{run}")
        async with at_once:
            session_id = await user.create(dialogue["services"][0])
            for message in dialogue["messages"]:
                answer = await user.update(session_id, message)
                assert answer.status_code == 200, answer.text
        return user, session_id

    stored = await asyncio.gather(*(store(n, dialogue) for n, dialogue in enumerate(dialogues)))

    for dialogue, (user, session_id) in zip(dialogues, stored, strict=True):
        sent = dialogue["messages"]
        whole = await user.history(session_id, limit=1000)
        recent = (await user.get(f"/history/recent/{session_id}", limit=1000)).json()["data"]
        newest = (await user.get(f"/history/recent/{session_id}")).json()["data"]
        assert whole == sent
        assert recent == sent
        assert newest == sent[-20:]

    for number in range(0, len(dialogues), DIALOGUES_PER_USER):
        user, _ = stored[number]
        listed = (await user.get(f"/get_all/{user.user_id}", limit=100)).json()["data"]
        own = stored[number : number + DIALOGUES_PER_USER]
        assert {session["session_id"] for session in listed} == {
            session_id for _, session_id in own
        }
