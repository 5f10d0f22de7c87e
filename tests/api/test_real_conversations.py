"""Real conversations go in over HTTP and come back equal, in order, with nothing added."""

import asyncio
import os
from uuid import uuid4

import httpx2

from tests.api.asking import Api
from tests.dialogues import Dialogue, dialogues

# 600 dialogues take a minute; REAL_DIALOGUES=600 selects them all.
SAMPLE_SIZE = int(os.environ.get("REAL_DIALOGUES", "60"))
DIALOGUES_PER_USER = 10
AT_ONCE = 16


async def test_conversations_come_back_equal_in_order_and_with_nothing_added(
    client: httpx2.AsyncClient,
) -> None:
    sample = dialogues(SAMPLE_SIZE)
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

    stored = await asyncio.gather(*(store(n, dialogue) for n, dialogue in enumerate(sample)))

    for dialogue, (user, session_id) in zip(sample, stored, strict=True):
        sent = dialogue["messages"]
        whole = await user.history(session_id, limit=1000)
        recent = (await user.get(f"/history/recent/{session_id}", limit=1000)).json()["data"]
        newest = (await user.get(f"/history/recent/{session_id}")).json()["data"]
        assert whole == sent
        assert recent == sent
        assert newest == sent[-20:]

    for number in range(0, len(sample), DIALOGUES_PER_USER):
        user, _ = stored[number]
        listed = (await user.get(f"/get_all/{user.user_id}", limit=100)).json()["data"]
        own = stored[number : number + DIALOGUES_PER_USER]
        assert {session["session_id"] for session in listed} == {
            session_id for _, session_id in own
        }
