"""Every limit of a body and its fields: one below, at, and one beyond, in every dialect."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2
import pytest
from starlette.types import Message

from config.settings import Settings
from service.api.dialects.keyed.shapes import MAX_MESSAGE_CHARS
from service.app import SessionService
from service.domain.rules import (
    MAX_CONTENT_BYTES,
    MAX_JSON_DEPTH,
    MAX_METADATA_BYTES,
    MAX_SITUATION_BYTES,
    MAX_TITLE_CHARS,
    MAX_TOOL_CALLS_BYTES,
    MAX_TOOLS_BYTES,
)
from tests.api.asking import SECRET, Api
from tests.security.matrix import MATRIX, ONE, Row
from tests.security.world import World

MAX_BODY_BYTES = 1024 * 1024
JSON = {"Content-Type": "application/json"}
BODIES = [(endpoint, row) for endpoint, row in MATRIX.items() if row.body]
with_a_body = pytest.mark.parametrize(("endpoint", "row"), BODIES, ids=[e for e, _ in BODIES])


class Field(NamedTuple):
    """A field at its limit: `body` makes one of the given size, `beyond` is the status for more."""

    endpoint: str
    body: Callable[[int], Any]
    limit: int
    beyond: int


def text(size_bytes: int) -> str:
    return "é" * (size_bytes // 2) + "e" * (size_bytes % 2)


def padded(size_bytes: int) -> dict[str, str]:
    return {"a": "b" * (size_bytes - len('{"a":""}'))}


def calls(size_bytes: int) -> list[dict[str, str]]:
    return [padded(size_bytes - len("[]"))]


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def said(**fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": "x", **fields}


UPDATE, PATCH = "POST /history/update/{session_id}", f"PATCH {ONE}"
PROFILE = "PATCH /user/{user_id:path}/"
FIELDS = {
    "native content": Field(UPDATE, lambda n: said(content=text(n)), MAX_CONTENT_BYTES, 413),
    "native metadata": Field(UPDATE, lambda n: said(metadata=padded(n)), MAX_METADATA_BYTES, 413),
    "native depth": Field(UPDATE, lambda n: said(metadata=nested(n)), MAX_JSON_DEPTH, 400),
    "native tool calls": Field(
        UPDATE,
        lambda n: {"role": "assistant", "content": None, "tool_calls": calls(n)},
        MAX_TOOL_CALLS_BYTES,
        413,
    ),
    "native chat": Field(
        "POST /chat/{session_id}", lambda n: {"content": text(n)}, MAX_CONTENT_BYTES, 413
    ),
    "pyspur metadata": Field(
        PROFILE,
        lambda n: {"user_metadata": padded(n)},
        MAX_METADATA_BYTES,
        413,
    ),
    "pyspur depth": Field(PROFILE, lambda n: {"user_metadata": nested(n)}, MAX_JSON_DEPTH, 422),
    "keyed message": Field(
        "POST /api/v1/chat", lambda n: {"message": "x" * n}, MAX_MESSAGE_CHARS, 422
    ),
    "julep content": Field(
        f"POST {ONE}/messages", lambda n: said(content=text(n)), MAX_CONTENT_BYTES, 413
    ),
    "julep metadata": Field(
        f"PUT {ONE}", lambda n: {"metadata": padded(n)}, MAX_METADATA_BYTES, 413
    ),
    "julep depth": Field(PATCH, lambda n: {"metadata": nested(n)}, MAX_JSON_DEPTH, 422),
    "julep situation": Field(PATCH, lambda n: {"situation": text(n)}, MAX_SITUATION_BYTES, 413),
    "julep chat": Field(
        f"POST {ONE}/chat",
        lambda n: {"messages": [said(content=text(n))], "remember": False},
        MAX_CONTENT_BYTES,
        413,
    ),
}


async def ask(world: World, endpoint: str, content: Any, **headers: str) -> httpx2.Response:
    method, _, template = endpoint.partition(" ")
    return await world.owner.ask(
        method, world.filled(template), content=content, headers=JSON | headers
    )


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
async def test_a_field_may_reach_its_limit_but_not_exceed_it(world: World, field: Field) -> None:
    answers = [
        await ask(world, field.endpoint, json.dumps(field.body(field.limit + more)).encode())
        for more in (-1, 0, 1)
    ]

    good = MATRIX[field.endpoint].statuses[0]
    assert [answer.status_code for answer in answers] == [good, good, field.beyond]


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in chunks"])
@with_a_body
async def test_a_body_may_have_1_mib_but_not_one_byte_more(
    world: World, endpoint: str, row: Row, *, announced: bool
) -> None:
    body = world.filled(json.dumps(row.body)).encode()

    statuses = []
    for size_bytes in (MAX_BODY_BYTES - 1, MAX_BODY_BYTES, MAX_BODY_BYTES + 1):
        content = body.ljust(size_bytes)
        answer = await ask(world, endpoint, content if announced else in_chunks(content))
        statuses.append(answer.status_code)

    assert statuses == [row.statuses[0], row.statuses[0], 413]


async def in_chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65536):
        yield content[start : start + 65536]


@with_a_body
async def test_a_compressed_body_is_415(world: World, endpoint: str, row: Row) -> None:
    body = world.filled(json.dumps(row.body)).encode()

    statuses = {
        coding: (await ask(world, endpoint, body, **{"Content-Encoding": coding})).status_code
        for coding in ("gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip")
    }

    assert set(statuses.values()) == {415}


@with_a_body
async def test_a_body_announced_as_too_large_is_refused_before_it_is_read(
    app_without_database: SessionService, endpoint: str, row: Row
) -> None:
    method, _, template = endpoint.partition(" ")
    headers = {
        **JSON,
        "Content-Length": str(MAX_BODY_BYTES + 1),
        "Authorization": f"Bearer {Api(httpx2.AsyncClient(), 'ann').token}",
    }
    scope = {
        "type": "http",
        "method": method,
        "path": template.replace("{session_id:uuid}", str(uuid4())).replace(
            "{session_id}", str(uuid4())
        ),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("The body was asked for.")

    async def send(message: Message) -> None:
        sent.append(message)

    await app_without_database(scope, receive, send)

    assert sent[0]["status"] == 413


@pytest.fixture(scope="module")
def app_without_database() -> SessionService:
    return SessionService(Settings(_env_file=None, jwt_secret=SECRET), demo=True)


async def test_the_largest_allowed_message_is_stored(world: World) -> None:
    message = {
        "role": "assistant",
        "content": text(MAX_CONTENT_BYTES),
        "name": "n" * 128,
        "tool_calls": calls(MAX_TOOL_CALLS_BYTES),
        "metadata": padded(MAX_METADATA_BYTES),
    }

    answer = await ask(world, UPDATE, json.dumps(message, ensure_ascii=False).encode())

    assert answer.status_code == 200
    assert (await world.owner.history(world.session_id))[-1] == message


async def test_the_largest_allowed_session_is_stored(world: World) -> None:
    function = {"name": "f", "description": "d" * (MAX_TOOLS_BYTES - 100)}
    settings = {
        "situation": text(MAX_SITUATION_BYTES),
        "metadata": padded(MAX_METADATA_BYTES),
        "tools": [{"type": "function", "function": function}],
    }
    session_id = await world.owner.create(title="\U0001f600" * MAX_TITLE_CHARS, key="k" * 256)
    world.session_id = session_id

    answer = await ask(world, PATCH, json.dumps(settings).encode())

    assert answer.status_code == 200
    shown = (await world.owner.get(f"/sessions/{session_id}")).json()
    assert (shown["situation"], shown["metadata"]) == (settings["situation"], settings["metadata"])
