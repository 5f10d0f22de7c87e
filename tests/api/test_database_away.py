"""The database goes away and comes back: 503 with Retry-After in the meantime, nothing lost."""

import asyncio
import time
from pathlib import Path

import httpx2

from service.auth.mint import mint
from service.devdb.embedded import EmbeddedMongo
from tests.api.asking import SECRET
from tests.every import every
from tests.running import run_service

MONGO_TIMEOUT_S = 2
RECOVERY_S = 30
TOKEN = {"Authorization": f"Bearer {mint(SECRET, user_id='alice', scopes=(), lifetime_s=86400)}"}
MESSAGE = {"role": "user", "content": "hello"}


async def until_it_works(client: httpx2.AsyncClient, method: str, path: str) -> httpx2.Response:
    until = time.monotonic() + RECOVERY_S
    while True:
        answer = await client.request(method, path)
        if answer.status_code == 200 or time.monotonic() > until:
            return answer
        await asyncio.sleep(0.2)


async def test_a_service_returns_503_in_time_while_its_database_is_away_and_recovers(
    tmp_path: Path,
) -> None:
    mongo = EmbeddedMongo(tmp_path)
    url = await mongo.start()
    settings = {
        "SESSIONS_MONGO_URL": url,
        "SESSIONS_JWT_SECRET": SECRET,
        "SESSIONS_MONGO_TIMEOUT_S": str(MONGO_TIMEOUT_S),
    }
    with run_service(**settings) as service:
        async with httpx2.AsyncClient(base_url=service.url, headers=TOKEN, timeout=30) as client:
            created = await client.post("/create?agent_id=a")
            session_id = created.json()["session_id"]
            await client.post(f"/history/update/{session_id}", json=MESSAGE)

            await mongo.stop()
            begun = time.monotonic()
            answers = await asyncio.gather(
                client.get(f"/history/{session_id}"),
                client.post(f"/history/update/{session_id}", json=MESSAGE),
                client.get("/get_all/alice"),
                client.post("/create?agent_id=a"),
            )
            took_s = time.monotonic() - begun
            assert await mongo.start() == url
            recovered = await until_it_works(client, "GET", f"/history/{session_id}")
            again = await client.post(f"/history/update/{session_id}", json=MESSAGE)
            history = (await client.get(f"/history/{session_id}")).json()["data"]

    await mongo.stop()
    assert [answer.status_code for answer in answers] == [503] * 4
    assert {answer.headers["retry-after"] for answer in answers} == {"2"}
    assert {answer.headers["outcome"] for answer in answers} <= {"unchanged", "unknown"}
    assert every(answer.json().keys() == {"message", "error", "code"} for answer in answers)
    assert took_s <= 2 * MONGO_TIMEOUT_S + 1
    assert recovered.json()["data"] == [MESSAGE]
    assert again.status_code == 200
    assert history == [MESSAGE, MESSAGE]


async def test_a_service_starts_before_its_database_and_works_once_it_is_up(
    tmp_path: Path,
) -> None:
    mongo = EmbeddedMongo(tmp_path)
    url = await mongo.start()
    await mongo.stop()
    settings = {
        "SESSIONS_MONGO_URL": url,
        "SESSIONS_JWT_SECRET": SECRET,
        "SESSIONS_MONGO_TIMEOUT_S": "1",
    }
    with run_service(**settings) as service:
        async with httpx2.AsyncClient(base_url=service.url, headers=TOKEN, timeout=30) as client:
            before = await client.post("/create?agent_id=a")
            assert await mongo.start() == url
            after = await until_it_works(client, "POST", "/create?agent_id=a")

    await mongo.stop()
    assert before.status_code == 503
    assert after.status_code == 200
