"""A process that is told to stop completes the requests it has begun, and ends in time."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx2
import pytest

from service.auth.mint import mint
from service.llm.scripted import Step
from tests.api.asking import SECRET
from tests.running import STOP_TIMEOUT_S, RunningService, run_service
from tests.scripted import scripted_server

TOKEN = mint(SECRET, user_id="ann", scopes=(), lifetime_s=86400)
AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}
STALLED = (
    b"POST /session/ HTTP/1.1\r\nHost: service\r\nContent-Length: 100\r\n"
    b"Content-Type: application/json\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n{"
)
DRAIN_S, SHUTDOWN_S = 1, 3


@pytest.fixture
async def model_url() -> AsyncIterator[str]:
    """Give a model that begins a response and takes its time for the rest."""
    async with scripted_server() as model:
        model.script.steps.append(Step(text="Once upon a time there was", delay_s=2))
        yield model.url


@contextmanager
def stoppable(mongo_url: str, **settings: str) -> Iterator[RunningService]:
    common = {
        "SESSIONS_MONGO_URL": mongo_url,
        "SESSIONS_MONGO_DATABASE": f"stopping_{uuid4().hex}",
        "SESSIONS_JWT_SECRET": SECRET,
        "SESSIONS_DRAIN_S": str(DRAIN_S),
        "SESSIONS_SHUTDOWN_TIMEOUT_S": str(SHUTDOWN_S),
    }
    with run_service(**common | settings) as service:
        yield service


async def ended(service: RunningService) -> float:
    """Wait until the process has ended; return how long that takes."""
    begun_s = time.monotonic()
    await asyncio.to_thread(service.process.wait, STOP_TIMEOUT_S)
    return time.monotonic() - begun_s


def stop(service: RunningService) -> None:
    service.process.send_signal(signal.SIGTERM)


async def test_a_draining_process_accepts_requests_and_closes_their_connections(
    mongo_url: str,
) -> None:
    with stoppable(mongo_url) as service:
        async with httpx2.AsyncClient(base_url=service.url, headers=AUTHORIZATION) as client:
            before = await client.get("/get_all/ann")
            stop(service)
            await asyncio.sleep(DRAIN_S / 2)
            draining = await client.get("/get_all/ann")
            ready = await client.get("/readyz")
            await ended(service)

    assert "connection" not in before.headers
    assert (draining.status_code, draining.headers["connection"]) == (200, "close")
    assert ready.json() == {"status": "not ready", "failed": ["draining"]}


async def test_a_client_that_stalls_mid_body_does_not_delay_the_shutdown(mongo_url: str) -> None:
    with stoppable(mongo_url, SESSIONS_SHUTDOWN_TIMEOUT_S="20") as service:
        host, port = service.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(STALLED)
        await asyncio.sleep(0.2)
        stop(service)
        took_s = await ended(service)
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert took_s < 10


async def test_a_stream_that_cannot_end_in_time_gets_a_last_event_that_says_how_to_continue(
    mongo_url: str, model_url: str
) -> None:
    model = {"SESSIONS_LLM_BASE_URL": model_url, "SESSIONS_LLM_MODEL": "scripted"}
    with stoppable(mongo_url, **model) as service:
        async with httpx2.AsyncClient(base_url=service.url, headers=AUTHORIZATION) as client:
            created = await client.post("/create", params={"agent_id": "a"})
            chat = f"/chat/{created.json()['session_id']}"
            body = {"content": "Tell me a story.", "stream": True}
            async with client.stream("POST", chat, json=body, timeout=30) as answer:
                stop(service)
                text = (await answer.aread()).decode()
            took_s = await ended(service)

    *_, last = text.strip().split("\n\n")
    assert last.startswith("event: error\n")
    assert "Send the request again: with the same Idempotency-Key it continues" in last
    assert took_s < DRAIN_S + SHUTDOWN_S + 2
