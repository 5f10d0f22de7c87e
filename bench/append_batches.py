"""Appends batches to the store alone; `bench.members` runs it, also on an earlier checkout.

Run as a script: Python finds the `service` to measure by PYTHONPATH.
"""

import asyncio
import sys
from uuid import uuid4

from config.settings import Settings
from service.domain.access import Reach
from service.domain.models import Message, Role, Session
from service.storage import driver
from service.storage.mongo import MongoSessionStore

OWNER = "bench"
TEXT = "x" * 200
# What follows the last batch is part of its price.
REST_S = 1


async def append_batches(mongo_url: str, sessions: int, batches: int) -> None:
    settings = Settings(_env_file=None)
    client = driver.connect(settings, mongo_url)
    store = MongoSessionStore(client[f"bench_{uuid4().hex}"], append_deadline_s=20)
    await store.prepare()
    made = [Session(agent_id="bench", user_id=OWNER) for _ in range(sessions)]
    await asyncio.gather(*map(store.create, made))
    _meet("ready")
    for _ in range(batches):
        messages = [Message(role=Role.USER, content=TEXT) for _ in made]
        await asyncio.gather(
            *(
                store.append(Reach(user_id=OWNER), session.id, [message])
                for session, message in zip(made, messages, strict=True)
            )
        )
    await asyncio.sleep(REST_S)
    _meet("done")
    await store.close()
    await driver.close(client)


def _meet(what: str) -> None:
    """Wait for the one who measures, who looks at the members meanwhile."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()
    sys.stdin.readline()


if __name__ == "__main__":
    asyncio.run(append_batches(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
