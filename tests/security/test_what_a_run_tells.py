"""What a run of the service logs and shows to everyone: no conversations, tokens or secrets.

Canaries are wherever a client, a model or an operator can put one, and everything goes wrong:
the database is unreachable, or refuses documents with an error that quotes them; the model fails.
"""

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.llm.scripted import Step
from service.observability.logs import FIELDS
from tests.api.asking import SECRET, Api
from tests.databases import connected
from tests.every import every
from tests.running import RunningService, run_service
from tests.scripted import ScriptedModel, scripted_server
from tests.security.sockets import answer_to

CANARY = "canary-c4ca4238a0b9"
USER_ID = f"user-{CANARY}"
PASSWORD, API_KEY = "password-1f3870be274f", "api-key-6c4b761a28b7"
BASE = {"time", "level", "logger", "event", "request_id", "error", "at"}
NO_DATABASE = f"mongodb://sessions:{PASSWORD}@127.0.0.1:1/?authSource=admin"
OPEN_PATHS = ("/", "/livez", "/readyz", "/health", "/metrics", "/openapi.json", "/docs")
MESSAGE = {"role": "user", "content": CANARY, "metadata": {CANARY: CANARY}, "id": CANARY}
CHATS = (
    ("/chat/{session_id}", {"content": CANARY}),
    ("/chat/{session_id}", {"content": CANARY, "stream": True}),
    ("/api/v1/chat", {"message": CANARY, "session_key": CANARY}),
    ("/api/v1/chat/stream", {"message": CANARY, "session_key": CANARY}),
    ("/sessions/{session_id}/chat", {"messages": [{"role": "user", "content": CANARY}]}),
)
MODEL_FAILURES = (
    Step(status=500, junk=CANARY.encode()),
    Step(status=401, junk=json.dumps({"error": {"message": f"{CANARY} {API_KEY}"}}).encode()),
    Step(junk=f'{{"{CANARY}'.encode()),
    Step(text=CANARY, cut_after=1),
)
GARBAGE = (
    f"GET /{CANARY} {CANARY} HTTP/1.1\r\n\r\n",
    f"{CANARY}\r\n\r\n",
    f"GET / HTTP/1.1\r\nAuthorization: Bearer {CANARY}\r\n{CANARY}: {CANARY}\r\n {CANARY}\r\n\r\n",
    f"CONNECT {CANARY}:443 HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\n" + f"{CANARY}: x\r\n" * 200 + "\r\n",
)


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with scripted_server() as model:
        yield model


@pytest.fixture
def settings(tmp_path: Path, model: ScriptedModel) -> dict[str, str]:
    secrets = {"jwt_secret": SECRET, "llm_api_key": API_KEY}
    for name, secret in secrets.items():
        (tmp_path / name).write_text(secret)
    return {
        "SESSIONS_MONGO_DATABASE": f"told_{uuid4().hex}",
        "SESSIONS_LOG_LEVEL": "debug",
        "SESSIONS_LLM_BASE_URL": model.url,
        "SESSIONS_LLM_MODEL": "a model",
        "SESSIONS_LLM_MAX_RETRIES": "0",
        **{f"SESSIONS_{name.upper()}_FILE": str(tmp_path / name) for name in secrets},
    }


async def ask_everything(url: str, session_id: str) -> str:
    """Put the canary wherever a client can; return the token and what everyone may see."""
    async with httpx2.AsyncClient(base_url=url, timeout=20) as client:
        api = Api(client, USER_ID)
        await api.ask("POST", f"/create?agent_id={CANARY}&title={CANARY}&key={CANARY}")
        for body in (MESSAGE, MESSAGE, {**MESSAGE, "content": f"other {CANARY}"}, {CANARY: CANARY}):
            await api.update(session_id, body)
        await api.ask("POST", f"/history/update/{session_id}", content=f'{{"{CANARY}')
        await api.ask("POST", "/user/", json={"external_id": USER_ID, "user_metadata": MESSAGE})
        await ask_for_answers(api, session_id)
        for path in (f"/get/{session_id}", f"/get/{CANARY}", f"/get_all/{USER_ID}", f"/{CANARY}"):
            await api.ask("GET", f"{path}?limit={CANARY}", headers={"X-Request-Id": f"{CANARY}!"})
            await api.ask("GET", path, headers={CANARY: CANARY, "Cookie": CANARY})
        await client.get("/get_all/x", headers={"Authorization": f"Bearer {CANARY}.{CANARY}.x"})
        await api.ask("GET", f"/api/v1/sessions?metadata_filter={CANARY}")
        await api.ask("GET", f"/api/v1/sessions/{CANARY}/export")
        await send_garbage(int(url.rpartition(":")[2]))
        return "\n".join([api.token, *[(await client.get(path)).text for path in OPEN_PATHS]])


async def ask_for_answers(api: Api, session_id: str) -> None:
    for path, body in CHATS:
        await api.ask("POST", path.replace("{session_id}", session_id), json=body)


async def send_garbage(port: int) -> None:
    for garbage in GARBAGE:
        assert (await answer_to(port, garbage.encode())).status in {400, 431}


def logged_by(service: RunningService) -> list[dict[str, Any]]:
    """Stop the service and return its output, without the lines that welcome its user."""
    service.process.send_signal(signal.SIGTERM)
    assert service.process.stdout is not None
    lines = service.process.stdout.read().splitlines()
    return [json.loads(line) for line in lines if "Data: " not in line]


def assert_tells_nothing(records: list[dict[str, Any]], open_answers: str) -> None:
    token, _, shown = open_answers.partition("\n")
    told = json.dumps(records) + shown
    secrets = (CANARY, SECRET, PASSWORD, API_KEY, *token.split(".")[1:])
    assert every(record.keys() <= BASE | set(FIELDS) for record in records)
    assert [r for r in records if r["event"] == "request served" and r["status"] >= 200]
    assert [secret for secret in secrets if secret in told] == []


def events(records: list[dict[str, Any]]) -> str:
    return "\n".join(record["event"] for record in records)


async def test_a_run_whose_model_fails_reveals_neither_contents_nor_secrets(
    mongo_url: str, model: ScriptedModel, settings: dict[str, str]
) -> None:
    with run_service(SESSIONS_MONGO_URL=mongo_url, **settings) as service:
        session_id = await made_session(service.url)
        open_answers = await ask_everything(service.url, session_id)
        for failure in MODEL_FAILURES:
            model.begin().steps.extend([failure] * len(CHATS))
            async with httpx2.AsyncClient(base_url=service.url) as client:
                await ask_for_answers(Api(client, USER_ID), session_id)
        records = logged_by(service)

    assert "model call failed: " in events(records)
    assert_tells_nothing(records, open_answers)


async def test_a_run_whose_database_refuses_documents_reveals_neither_contents_nor_secrets(
    mongo_url: str, settings: dict[str, str]
) -> None:
    with run_service(SESSIONS_MONGO_URL=mongo_url, **settings) as service:
        session_id = await made_session(service.url)
        async with refusing(mongo_url, settings["SESSIONS_MONGO_DATABASE"]):
            open_answers = await ask_everything(service.url, session_id)
        records = logged_by(service)

    assert "database call failed: BulkWriteError" in events(records)
    assert_tells_nothing(records, open_answers)


async def test_a_run_without_its_database_reveals_neither_contents_nor_secrets(
    settings: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "mongo_url").write_text(NO_DATABASE)
    away = {
        "SESSIONS_MONGO_URL_FILE": str(tmp_path / "mongo_url"),
        "SESSIONS_MONGO_TIMEOUT_S": "0.2",
    }

    with run_service(**away, **settings) as service:
        open_answers = await ask_everything(service.url, str(uuid4()))
        records = logged_by(service)

    assert "database call failed: ServerSelectionTimeoutError" in events(records)
    assert_tells_nothing(records, open_answers)


async def made_session(url: str) -> str:
    async with httpx2.AsyncClient(base_url=url) as client:
        return await Api(client, USER_ID).create(title=CANARY)


@asynccontextmanager
async def refusing(mongo_url: str, database: str) -> AsyncIterator[None]:
    """Make the database refuse every document, with an error that quotes it."""
    async with connected("pymongo", mongo_url) as client:
        server: Any = client
        for collection in ("sessions", "history"):
            await server[database].command("collMod", collection, validator={"no": "document"})
        yield
