"""Requests to the service as a client of the keyed API would send them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import uvicorn
from starlette.types import ASGIApp

from config.settings import Settings
from service.app import SessionService
from service.llm.scripted import Script, Step, scripted_model
from tests.api.asking import SECRET, Api

SESSIONS = "/api/v1/sessions"
CALL = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
FAILURES = {
    "an error": Step(status=500),
    "the caller's fault": Step(status=400),
    "junk": Step(junk=b"no JSON"),
    "an answer that is cut off": Step(text="one two three", cut_after=0),
    "silence": Step(text="late", delay_s=5),
}


async def listed(api: Api) -> list[str]:
    answer = await api.get(SESSIONS)
    assert answer.status_code == 200, answer.text
    assert answer.json()["count"] == len(answer.json()["sessions"])
    keys: list[str] = answer.json()["sessions"]
    return keys


async def show(api: Api, path_of_key: str) -> dict[str, Any]:
    answer = await api.get(f"{SESSIONS}/{path_of_key}")
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """Serve the application as the service does, on a free port of this machine."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.is_listening.wait()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def talking_service(mongo_url: str, script: Script) -> AsyncIterator[str]:
    """Serve the service with a scripted model; it waits a second for the model."""
    async with listening(scripted_model(script)) as model_url:
        settings = Settings(
            _env_file=None,
            mongo_url=mongo_url,
            mongo_database=f"api_{uuid4().hex}",
            jwt_secret=SECRET,
            requests_per_minute={"keyed": 1_000_000},
            llm_base_url=f"{model_url}/v1",
            llm_model="scripted",
            llm_timeout_s=1,
            llm_max_retries=0,
        )
        app = SessionService(settings)
        async with app.lifespan(), listening(app) as url:
            yield url


async def log_of(api: Api, key: str) -> list[tuple[str, Any]]:
    document = (await api.get(f"{SESSIONS}/{key}/export")).json()
    return [(message["role"], message["content"]) for message in document["messages"]]
