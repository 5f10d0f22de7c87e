"""The keyed dialect as its clients see it: a separate process, plain HTTP on a real port."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx2
import pytest

from service.auth.mint import mint
from service.llm.scripted import Script, scripted_model
from tests.api.asking import SECRET
from tests.api.keyed_asking import listening
from tests.running import run_service

# Keys as the documentation shows them, one per source.
DOCUMENTED_KEYS = [
    "api:a3f9c2e8b1d4",
    "user:alice:project-planning",
    "cli:default",
    "telegram:123456789",
    "discord:987654321",
    "slack:U01234ABCDE",
]
ODD_KEYS = ["a/b", "/a//b/", "with space", "a%2Fb", "é/🙂", "a?b#c", "a+b", "two\nlines", "x\n"]
# What a client may send in the request line for a key, character by character.
TARGETS = [
    ("a/b", b"a/b"),
    ("a/b", b"a%2Fb"),
    ("a/b", b"a%2fb"),
    ("a:b", b"a:b"),
    ("a:b", b"a%3Ab"),
    ("a b", b"a%20b"),
    ("a+b", b"a+b"),
    ("a%2Fb", b"a%252Fb"),
    ("/a//b/", b"/a//b/"),
    ("../a", b"../a"),
    ("../a", b"%2E%2E%2Fa"),
    ('a"b', b'a"b'),
]


@pytest.fixture(scope="module")
async def model_url() -> AsyncIterator[str]:
    async with listening(scripted_model(Script())) as url:
        yield f"{url}/v1"


@pytest.fixture(scope="module")
def service_url(mongo_url: str, model_url: str) -> Iterator[str]:
    with run_service(
        SESSIONS_MONGO_URL=mongo_url,
        SESSIONS_MONGO_DATABASE=f"api_{uuid4().hex}",
        SESSIONS_JWT_SECRET=SECRET,
        SESSIONS_REQUESTS_PER_MINUTE="keyed=100000",
        SESSIONS_LLM_BASE_URL=model_url,
        SESSIONS_LLM_MODEL="scripted",
    ) as service:
        yield service.url


@pytest.fixture
def token() -> str:
    return mint(SECRET, user_id=f"client-{uuid4().hex}", scopes=(), lifetime_s=86400)


@pytest.fixture
async def client(service_url: str, token: str) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=service_url, headers=headers) as client:
        yield client


async def make(client: httpx2.AsyncClient, *keys: str) -> None:
    for key in keys:
        answer = await client.post("/create", params={"agent_id": "agent", "key": key})
        assert answer.status_code == 200, answer.text


async def send(url: str, token: str, method: bytes, target: bytes) -> tuple[int, bytes]:
    """Send a request line exactly as it is given."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(
        method + b" " + target + b" HTTP/1.1\r\nHost: service\r\nConnection: close\r\n"
        b"Authorization: Bearer " + token.encode() + b"\r\n\r\n"
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


async def test_list_all_session_keys(client: httpx2.AsyncClient) -> None:
    await make(client, *DOCUMENTED_KEYS)

    answer = await client.get("/api/v1/sessions")

    assert answer.status_code == 200
    assert answer.json() == {"sessions": sorted(DOCUMENTED_KEYS), "count": len(DOCUMENTED_KEYS)}


@pytest.mark.parametrize("key", DOCUMENTED_KEYS)
async def test_get_one_session_by_its_raw_key(client: httpx2.AsyncClient, key: str) -> None:
    await make(client, key)

    session = (await client.get(f"/api/v1/sessions/{key}")).json()

    assert session.keys() == {"key", "message_count", "created_at", "updated_at", "age_seconds"}
    assert session["key"] == key
    assert abs(time.time() - session["created_at"] - session["age_seconds"]) < 5


@pytest.mark.parametrize("key", [*DOCUMENTED_KEYS, *ODD_KEYS], ids=repr)
async def test_get_export_and_delete_one_session_by_its_encoded_key(
    client: httpx2.AsyncClient, key: str
) -> None:
    await make(client, key, "kept")
    url = f"/api/v1/sessions/{quote(key, safe='')}"

    shown, exported, deleted = (
        await client.get(url),
        await client.get(f"{url}/export"),
        await client.delete(url),
    )

    assert shown.json()["key"] == key
    assert exported.json()["key"] == key
    assert deleted.status_code == 200
    assert deleted.json() == {"deleted": True, "key": key}
    assert (await client.get("/api/v1/sessions")).json()["sessions"] == ["kept"]


@pytest.mark.parametrize(("key", "written"), TARGETS, ids=repr)
async def test_a_key_is_reached_in_every_spelling(
    service_url: str, client: httpx2.AsyncClient, token: str, key: str, written: bytes
) -> None:
    await make(client, key)

    shown = await send(service_url, token, b"GET", b"/api/v1/sessions/" + written)
    deleted = await send(service_url, token, b"DELETE", b"/api/v1/sessions/" + written)

    assert (shown[0], deleted[0]) == (200, 200)
    assert (await client.get("/api/v1/sessions")).json()["sessions"] == []


async def test_a_raw_space_is_not_valid_http_and_reaches_nothing(
    service_url: str, client: httpx2.AsyncClient, token: str
) -> None:
    await make(client, "a b", "a")

    status, _ = await send(service_url, token, b"DELETE", b"/api/v1/sessions/a b")

    assert status == 400
    assert (await client.get("/api/v1/sessions")).json()["sessions"] == ["a", "a b"]


async def test_http_clients_encode_a_space_themselves(client: httpx2.AsyncClient) -> None:
    await make(client, "my first session")

    answer = await client.get("/api/v1/sessions/my first session")

    assert answer.json()["key"] == "my first session"


async def test_get_or_delete_a_session_that_does_not_exist(client: httpx2.AsyncClient) -> None:
    for answer in (
        await client.get("/api/v1/sessions/nothing"),
        await client.delete("/api/v1/sessions/nothing"),
    ):
        assert answer.status_code == 404
        assert answer.json() == {"detail": "Session not found"}


async def test_delete_multiple_sessions_one_by_one(client: httpx2.AsyncClient) -> None:
    await make(client, "test:1", "test:2", "user:alice")

    for key in (await client.get("/api/v1/sessions")).json()["sessions"]:
        if key.startswith("test:"):
            await client.delete(f"/api/v1/sessions/{key}")

    assert (await client.get("/api/v1/sessions")).json() == {"sessions": ["user:alice"], "count": 1}


async def test_delete_old_sessions_by_the_age_shown(client: httpx2.AsyncClient) -> None:
    await make(client, "old")
    await asyncio.sleep(2.2)
    await make(client, "new")
    assert (await client.get("/api/v1/sessions/old")).json()["age_seconds"] > 2

    answer = await client.delete("/api/v1/sessions", params={"older_than_s": 2})

    assert answer.json() == {"deleted": 1, "keys": ["old"]}


@pytest.mark.parametrize("key", [None, "user:alice:project-planning"])
async def test_chat_creates_the_session_it_names(
    client: httpx2.AsyncClient, key: str | None
) -> None:
    body = {"message": "Hello", "session_key": key}

    told = (await client.post("/api/v1/chat", json=body)).json()
    session: dict[str, Any] = (await client.get(f"/api/v1/sessions/{told['session_key']}")).json()

    assert told["response"]
    assert session["key"] == told["session_key"]
    assert session["message_count"] == 2


async def test_health_is_open_and_detailed_health_needs_a_token(service_url: str) -> None:
    async with httpx2.AsyncClient(base_url=service_url) as nobody:
        health = await nobody.get("/health")
        detailed = await nobody.get("/api/v1/health")

    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert (detailed.status_code, detailed.json()) == (401, {"detail": "Authentication required"})


@contextmanager
def limited_service(mongo_url: str) -> Iterator[str]:
    database = f"api_{uuid4().hex}"
    with run_service(
        SESSIONS_MONGO_URL=mongo_url, SESSIONS_MONGO_DATABASE=database, SESSIONS_JWT_SECRET=SECRET
    ) as service:
        yield service.url


async def test_the_61st_request_of_a_minute_is_refused(mongo_url: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": "198.51.100.1"}
    with limited_service(mongo_url) as url:
        async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
            answers = [await client.get("/api/v1/health") for _ in range(61)]

    assert [answer.status_code for answer in answers] == [200] * 60 + [429]
    assert answers[-1].json() == {"detail": "Rate limit exceeded"}
