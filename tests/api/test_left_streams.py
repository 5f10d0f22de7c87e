"""Streams whose reader leaves, and silent streams, in every dialect over real sockets."""

import asyncio
import json
import logging
import signal
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx2
import pytest

from config.settings import Settings
from service.api.kit.sse import KEEP_ALIVE
from service.app import SessionService
from service.domain.access import Caller
from service.domain.keys import EXPORT_PAGE
from service.domain.models import NewMessage, Role
from service.llm.scripted import Script, Step
from tests.api.asking import SECRET, Api
from tests.api.keyed_asking import listening
from tests.every import every
from tests.running import STOP_TIMEOUT_S, RunningService, run_service
from tests.scripted import ScriptedModel, scripted_server
from tests.served import until

SILENCE_S = 0.2
READERS = 60
UVICORN = "uvicorn.error"
JSON = {"Content-Type": "application/json"}
DIALECTS = ["native", "keyed", "julep"]
each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@dataclass
class Asked:
    """How a stream is requested in a dialect."""

    path: str
    body: bytes


@dataclass
class Running:
    url: str
    app: SessionService
    alice: Api
    script: Script

    async def asked(self, dialect: str) -> Asked:
        return await asked_in(dialect, self.alice)


async def asked_in(dialect: str, alice: Api) -> Asked:
    session_id = await alice.create()
    messages = [{"role": "user", "content": "hi"}]
    paths = {
        "native": (f"/chat/{session_id}", {"content": "hi", "stream": True}),
        "keyed": ("/api/v1/chat/stream", {"message": "hi", "session_key": "mine"}),
        "julep": (f"/sessions/{session_id}/chat", {"messages": messages, "stream": True}),
    }
    path, body = paths[dialect]
    return Asked(path, json.dumps(body).encode())


@pytest.fixture(scope="module")
async def scripted() -> AsyncIterator[ScriptedModel]:
    async with scripted_server() as scripted:
        yield scripted


@pytest.fixture(scope="module")
async def served_service(mongo_url: str, scripted: ScriptedModel) -> AsyncIterator[Running]:
    settings = Settings(
        _env_file=None,
        mongo_url=mongo_url,
        mongo_database=f"left_{uuid4().hex}",
        jwt_secret=SECRET,
        requests_per_minute={"keyed": 1_000_000},
        llm_base_url=scripted.url,
        llm_model="scripted",
        llm_max_retries=0,
    )
    app = SessionService(settings, keep_alive_s=SILENCE_S)
    async with (
        app.lifespan(),
        listening(app) as url,
        httpx2.AsyncClient(base_url=url) as client,
    ):
        yield Running(url, app, Api(client, f"alice-{uuid4().hex}"), scripted.script)


@pytest.fixture
def running(served_service: Running, scripted: ScriptedModel) -> Running:
    scripted.begin()
    return served_service


@asynccontextmanager
async def connection(
    url: str, alice: Api, asked: Asked
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Send the request on a separate connection, and give its reader and writer."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {asked.path} HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {alice.token}\r\n"
        f"Content-Length: {len(asked.body)}\r\n\r\n".encode()
        + asked.body
    )
    await writer.drain()
    yield reader, writer


def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    connected = writer.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def stop(service: RunningService) -> None:
    service.process.send_signal(signal.SIGTERM)


async def before_the_first(running: Running, reader: asyncio.StreamReader) -> None:
    await until(lambda: bool(running.script.requests))


async def between_two(_: Running, reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"Once")


Moment = Callable[[Running, asyncio.StreamReader], Awaitable[None]]


@each_dialect
@pytest.mark.parametrize("leave", [close, reset])
@pytest.mark.parametrize(
    ("moment", "step"),
    [
        (before_the_first, Step(text="Once", delay_s=60)),
        (between_two, Step(text="Once upon a time there was", delay_s=0.05)),
    ],
    ids=["before the first piece", "between two pieces"],
)
async def test_a_reader_who_leaves_causes_no_leaks_and_no_log_lines(
    running: Running,
    caplog: pytest.LogCaptureFixture,
    dialect: str,
    leave: Callable[[asyncio.StreamWriter], None],
    moment: Moment,
    step: Step,
) -> None:
    asked = await running.asked(dialect)
    tasks_before = len(asyncio.all_tasks())
    running.script.steps.append(step)
    with caplog.at_level(logging.WARNING):
        async with connection(running.url, running.alice, asked) as (reader, writer):
            await moment(running, reader)

            leave(writer)

        await until(lambda: running.script.hang_ups == 1)
        await until(lambda: len(asyncio.all_tasks()) <= tasks_before)

    assert caplog.records == []


async def test_a_process_whose_readers_leave_at_any_moment_logs_nothing(
    mongo_url: str, scripted: ScriptedModel
) -> None:
    script = scripted.begin()
    script.steps.extend([Step(text="a b c d e f g h", delay_s=0.02)] * READERS)
    settings = {
        "SESSIONS_MONGO_URL": mongo_url,
        "SESSIONS_MONGO_DATABASE": f"left_{uuid4().hex}",
        "SESSIONS_JWT_SECRET": SECRET,
        "SESSIONS_LLM_BASE_URL": scripted.url,
        "SESSIONS_LLM_MODEL": "scripted",
    }
    with run_service(**settings) as service:
        async with httpx2.AsyncClient(base_url=service.url) as client:
            alice = Api(client, f"alice-{uuid4().hex}")
            asked = [await asked_in(dialect, alice) for dialect in DIALECTS]

            async def leave_after(delay_s: float, number: int) -> None:
                stream = asked[number % len(asked)]
                async with connection(service.url, alice, stream) as (_, writer):
                    await asyncio.sleep(delay_s)
                    (reset if number % 2 else close)(writer)

            await asyncio.gather(*(leave_after(n * 0.005, n) for n in range(READERS)))
        stop(service)
        printed, _ = await asyncio.to_thread(service.process.communicate, timeout=STOP_TIMEOUT_S)

    assert [line for line in printed.splitlines() if line.startswith("{")] == []


@each_dialect
async def test_a_silent_stream_sends_comments_before_and_between_its_pieces(
    running: Running, dialect: str
) -> None:
    asked = await running.asked(dialect)
    running.script.steps.append(Step(text="Once upon", delay_s=2.5 * SILENCE_S))

    async with connection(running.url, running.alice, asked) as (reader, writer):
        text = await reader.readuntil(b"0\r\n\r\n")
        writer.close()

    assert text.startswith(b"HTTP/1.1 200")
    before, _, after = text.partition(b"Once")
    assert before.count(KEEP_ALIVE) >= 2
    assert after.partition(b"upon")[0].count(KEEP_ALIVE) >= 1


@each_dialect
async def test_a_parser_skips_the_comments(running: Running, dialect: str) -> None:
    asked = await running.asked(dialect)
    running.script.steps.append(Step(text="Once upon", delay_s=1.5 * SILENCE_S))

    answer = await running.alice.ask("POST", asked.path, content=asked.body, headers=JSON)

    assert KEEP_ALIVE.decode() in answer.text
    events = [block for block in answer.text.split("\n\n") if block and block[0] != ":"]
    assert every(
        line.startswith(("data: ", "event: ")) for block in events for line in block.split("\n")
    )
    assert "Once" in answer.text


@each_dialect
async def test_a_failure_before_the_first_piece_has_its_own_status_if_there_was_no_silence(
    running: Running, dialect: str
) -> None:
    asked = await running.asked(dialect)
    running.script.steps.append(Step(status=500))

    answer = await running.alice.ask("POST", asked.path, content=asked.body, headers=JSON)

    # A keyed stream begins with the key of its session, before the model is called.
    assert answer.status_code == (200 if dialect == "keyed" else 502)


@each_dialect
async def test_a_failure_after_a_silence_is_an_event(running: Running, dialect: str) -> None:
    asked = await running.asked(dialect)
    running.script.steps.append(Step(status=500, delay_s=2 * SILENCE_S))

    answer = await running.alice.ask("POST", asked.path, content=asked.body, headers=JSON)

    assert answer.status_code == 200
    assert answer.text.rpartition(KEEP_ALIVE.decode())[2].startswith("event: error\ndata: {")


async def rest_of(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def test_an_export_whose_session_is_deleted_meanwhile_is_cut_off_without_a_traceback(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    key = f"key-{uuid4().hex}"
    await running.alice.create(key=key)
    caller = Caller(user_id=running.alice.user_id)
    session = await running.app.use_cases.keys.get(caller, key)
    # More than the sockets on both sides buffer for a reader who does not read.
    said = [NewMessage(role=Role.USER, content="x" * 100_000)] * 100
    for _ in range(2 * EXPORT_PAGE // 100):
        await running.app.use_cases.sessions.append(caller, session.id, said)

    with caplog.at_level(logging.INFO):
        path = f"/api/v1/sessions/{key}/export"
        headers = {"Authorization": f"Bearer {running.alice.token}"}
        async with (
            httpx2.AsyncClient(base_url=running.url, headers=headers) as client,
            client.stream("GET", path) as response,
        ):
            chunks = response.aiter_bytes()
            await anext(chunks)
            await running.app.use_cases.sessions.delete(caller, session.id)
            with pytest.raises(httpx2.RemoteProtocolError):
                await rest_of(chunks)
        await until(lambda: [r for r in caplog.records if "cut off" in r.getMessage()])

    [record] = [r for r in caplog.records if r.levelno >= logging.WARNING and r.name != UVICORN]
    assert record.getMessage() == "a document was cut off: session_not_found"
    assert record.exc_info is None
    assert every(r.exc_info is None for r in caplog.records)
