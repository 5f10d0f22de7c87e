"""Larger responses are compressed for clients that accept gzip, and for no others."""

import asyncio
import gzip
from typing import Any

import httpx2
import pytest

from service.app import SessionService
from service.edge.compression import MIN_BYTES
from service.llm.scripted import Script, Step
from tests.api.asking import Api
from tests.api.keyed_asking import listening

LONG = "It was a dark and stormy night. " * 1000


async def asked(alice: Api, path: str, accepts: str) -> httpx2.Response:
    return await alice.ask("GET", path, headers={"Accept-Encoding": accepts})


async def on_the_wire(
    app: SessionService, method: str, path: str, token: str
) -> tuple[dict[str, str], bytes]:
    """Return the headers and the bytes of the body, as received."""
    async with listening(app) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: s\r\nConnection: close\r\n"
            f"Accept-Encoding: gzip\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
    lines = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    return {name.lower(): value for name, value in lines}, body


@pytest.fixture
async def session_id(alice: Api) -> str:
    session_id = await alice.create()
    await alice.say(session_id, LONG)
    return session_id


@pytest.mark.parametrize("accepts", ["gzip", "br, gzip", "gzip;q=0.5, *", "deflate,gzip ; q=1"])
async def test_a_long_response_is_gzip_if_the_client_accepts_it(
    alice: Api, session_id: str, accepts: str
) -> None:
    answer = await asked(alice, f"/history/{session_id}", accepts)

    assert answer.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in answer.headers["vary"].lower()
    assert int(answer.headers["content-length"]) < len(LONG) / 10
    assert answer.json()["data"][0]["content"] == LONG


@pytest.mark.parametrize("accepts", ["", "identity", "br", "gzip;q=0", "gzip; q=0.000, br", "*"])
async def test_it_is_plain_if_the_client_does_not(
    alice: Api, session_id: str, accepts: str
) -> None:
    answer = await asked(alice, f"/history/{session_id}", accepts)

    assert "content-encoding" not in answer.headers
    assert answer.json()["data"][0]["content"] == LONG


async def test_a_short_response_is_plain(alice: Api) -> None:
    answer = await asked(alice, f"/get_all/{alice.user_id}", "gzip")

    assert len(answer.content) < MIN_BYTES
    assert "content-encoding" not in answer.headers


async def test_an_event_stream_is_never_compressed(talker: Api, script: Script) -> None:
    script.steps.append(Step(text=LONG))
    session_id = await talker.create()

    answer = await talker.ask(
        "POST",
        f"/chat/{session_id}",
        json={"content": "hi", "stream": True},
        headers={"Accept-Encoding": "gzip"},
    )

    assert len(answer.content) > MIN_BYTES
    assert "content-encoding" not in answer.headers


async def test_it_is_gzip_on_the_wire_too(app: SessionService, alice: Api, session_id: str) -> None:
    headers, body = await on_the_wire(app, "GET", f"/history/{session_id}", alice.token)

    assert headers["content-encoding"] == "gzip"
    assert LONG.encode() in gzip.decompress(body)


async def test_head_has_the_headers_of_get_and_no_body(
    app: SessionService, alice: Api, session_id: str
) -> None:
    path = f"/history/{session_id}"

    of_get, _ = await on_the_wire(app, "GET", path, alice.token)
    of_head, body = await on_the_wire(app, "HEAD", path, alice.token)

    names = ("content-length", "content-encoding", "vary", "content-type")
    assert [of_head[name] for name in names] == [of_get[name] for name in names]
    assert body == b""


async def test_a_token_in_a_cookie_is_refused(
    client: httpx2.AsyncClient, alice: Api, session_id: str
) -> None:
    path, token = f"/history/{session_id}", alice.token

    by_header = await client.get(path, headers={"Authorization": f"Bearer {token}"})
    by_cookie = [
        await client.get(path, headers={"Cookie": f"{name}={token}"})
        for name in ("Authorization", "token", "access_token")
    ]

    assert by_header.status_code == 200
    assert {answer.status_code for answer in by_cookie} == {401}


@pytest.mark.parametrize("path", ["/docs/swagger-ui-bundle.js", "/openapi.json"])
async def test_everything_the_page_loads_is_compressed(
    client: httpx2.AsyncClient, path: str
) -> None:
    answer: Any = await client.get(path, headers={"Accept-Encoding": "gzip"})

    assert answer.headers["content-encoding"] == "gzip"
