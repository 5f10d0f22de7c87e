"""No token of the hostile corpus opens any route, or breaks one.

No database is running: an accepted token would end in an error.
"""

import time
from typing import Any
from uuid import uuid4

import pytest
from starlette.types import Message

from config.settings import Settings
from service.app import SessionService
from service.auth.mint import mint
from tests.api.asking import SECRET
from tests.auth.hostile_tokens import hostile_headers
from tests.security.matrix import MATRIX, WHO

PROTECTED = [name for name, row in MATRIX.items() if row.statuses[WHO.index("nobody")] == 401]
HOSTILE = hostile_headers(SECRET, int(time.time()))


@pytest.fixture(scope="module")
def app() -> SessionService:
    limit = 1_000_000
    settings = Settings(_env_file=None, jwt_secret=SECRET, requests_per_minute={"keyed": limit})
    return SessionService(settings)


async def status_of(app: SessionService, endpoint: str, authorization: str) -> int:
    method, _, template = endpoint.partition(" ")
    path = template.replace("{session_id:uuid}", str(uuid4()))
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": b"agent_id=a&workflow_id=a&prefix=a",
        "headers": [(b"authorization", authorization.encode())],
        "client": ("127.0.0.1", 1),
    }
    sent: list[Message] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize("endpoint", PROTECTED)
async def test_every_hostile_token_is_401_on_the_route(app: SessionService, endpoint: str) -> None:
    statuses = {what: await status_of(app, endpoint, HOSTILE[what]) for what in HOSTILE}

    assert {what: status for what, status in statuses.items() if status != 401} == {}


async def test_an_honest_token_opens_a_route_here(app: SessionService) -> None:
    token = mint(SECRET, user_id="ann", scopes=(), lifetime_s=60)

    assert await status_of(app, "GET /api/v1/health", f"Bearer {token}") == 200
