"""The keyed dialect's rate limits: first the address is counted, then the token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from starlette.requests import Request

from config.settings import Settings
from service.api.kit.client_address import client_address
from service.app import SessionService
from service.auth.mint import mint
from tests.api.asking import SECRET, Api

LIMIT = 3
HEALTH = "/api/v1/health"
LIMITED_ROWS = [
    ("GET", HEALTH),
    ("GET", "/api/v1/sessions"),
    ("DELETE", "/api/v1/sessions"),
    ("GET", "/api/v1/sessions/a"),
    ("GET", "/api/v1/sessions/a/export"),
    ("DELETE", "/api/v1/sessions/a"),
    ("POST", "/api/v1/chat"),
    ("POST", "/api/v1/chat/stream"),
]
TOO_MANY = {"detail": "Rate limit exceeded"}


class Service:
    """A separate service, which need not be started: its health check needs no database."""

    def __init__(self, **settings: Any) -> None:
        limit = {"requests_per_minute": {"keyed": LIMIT}} | settings
        self.app = SessionService(Settings(_env_file=None, jwt_secret=SECRET, **limit))

    @asynccontextmanager
    async def asked_from(self, address: str) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(self.app, client=(address, 4711))
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            yield client

    async def ask(
        self, address: str = "192.0.2.1", *, user_id: str = "alice", **options: Any
    ) -> httpx2.Response:
        async with self.asked_from(address) as client:
            return await Api(client, user_id).ask("GET", HEALTH, **options)

    async def use_up(self, *addresses: str, **options: Any) -> None:
        for address in addresses:
            for _ in range(LIMIT):
                answer = await self.ask(address, **options)
                assert answer.status_code == 200, answer.text


def new_token() -> str:
    return mint(SECRET, user_id="alice", scopes=(), lifetime_s=86400)


async def test_the_limit_is_60_requests_a_minute_by_default() -> None:
    service = Service(requests_per_minute={})

    statuses = [(await service.ask(user_id=str(n))).status_code for n in range(61)]

    assert statuses == [200] * 60 + [429]


async def test_one_request_too_many_is_429_and_says_when_to_try_again() -> None:
    service = Service()
    await service.use_up("192.0.2.1")

    answer = await service.ask("192.0.2.1")

    assert answer.status_code == 429
    assert answer.json() == TOO_MANY
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert 1 <= int(answer.headers["retry-after"]) <= 60


@pytest.mark.parametrize(("method", "path"), LIMITED_ROWS)
async def test_every_row_but_the_open_one_is_limited(method: str, path: str) -> None:
    service = Service()
    await service.use_up("192.0.2.1")

    async with service.asked_from("192.0.2.1") as client:
        answer = await Api(client, "alice").ask(method, path)

    assert answer.status_code == 429
    assert answer.json() == TOO_MANY


async def test_the_open_health_is_not_limited() -> None:
    service = Service()
    await service.use_up("192.0.2.1")

    async with service.asked_from("192.0.2.1") as client:
        statuses = [(await client.get("/health")).status_code for _ in range(2 * LIMIT)]

    assert statuses == [200] * (2 * LIMIT)


async def test_an_address_is_counted_before_the_token_is_looked_at() -> None:
    service = Service()

    async with service.asked_from("192.0.2.1") as client:
        statuses = [(await client.get(HEALTH)).status_code for _ in range(LIMIT + 1)]

    assert statuses == [401] * LIMIT + [429]


async def test_a_token_is_counted_after_the_address() -> None:
    service = Service()
    same_token = {"Authorization": f"Bearer {new_token()}"}
    for number in range(LIMIT):
        answer = await service.ask(f"192.0.2.{number}", headers=same_token)
        assert answer.status_code == 200

    answer = await service.ask("192.0.2.99", headers=same_token)

    assert answer.status_code == 429
    assert answer.json() == TOO_MANY


async def test_a_token_in_another_spelling_is_the_same_token() -> None:
    service = Service()
    token = new_token()
    for number, written in enumerate((f"Bearer {token}", f"bearer {token}", f"BEARER   {token} ")):
        headers = {"Authorization": written}
        assert (await service.ask(f"192.0.2.{number}", headers=headers)).status_code == 200

    headers = {"Authorization": f"bEARER {token}"}
    answer = await service.ask("192.0.2.99", headers=headers)

    assert answer.status_code == 429


async def test_each_token_and_each_address_has_a_count_of_its_own() -> None:
    service = Service()
    await service.use_up("192.0.2.1", user_id="alice")

    answer = await service.ask("192.0.2.2", user_id=f"other-{uuid4()}")

    assert answer.status_code == 200


async def test_refusals_for_a_bad_token_do_not_count_for_a_good_one() -> None:
    service = Service()
    bad = {"Authorization": f"Bearer {new_token()}x"}
    for number in range(2 * LIMIT):
        assert (await service.ask(f"192.0.2.{number}", headers=bad)).status_code == 401

    answer = await service.ask("192.0.2.99")

    assert answer.status_code == 200


async def test_addresses_of_one_ipv6_network_count_together() -> None:
    service = Service()
    for number in range(LIMIT):
        await service.ask(f"2001:db8::{number}", user_id=str(number))

    same = await service.ask("2001:db8::ffff", user_id="a")
    other = await service.ask("2001:db8:0:1::1", user_id="b")

    assert (same.status_code, other.status_code) == (429, 200)


async def test_forwarded_headers_count_for_nothing_without_a_trusted_proxy() -> None:
    service = Service()
    for number in range(LIMIT):
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        await service.ask("127.0.0.1", headers=headers, user_id=str(number))

    answer = await service.ask("127.0.0.1", headers={"X-Forwarded-For": "198.51.100.9"})

    assert answer.status_code == 429


async def test_behind_a_trusted_proxy_each_client_has_a_count_of_its_own() -> None:
    service = Service(trusted_proxies="10.0.0.0/8")
    for number in range(2 * LIMIT):
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        answer = await service.ask("10.1.2.3", headers=headers, user_id=str(number))
        assert answer.status_code == 200

    same = {"X-Forwarded-For": "198.51.100.99"}
    statuses = [
        (await service.ask("10.1.2.3", headers=same, user_id=f"u{n}")).status_code
        for n in range(LIMIT + 1)
    ]

    assert statuses == [200] * LIMIT + [429]


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.7, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.7", "198.51.100.1,10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3 , 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1, junk"], "10.0.0.1"),
        ("10.0.0.1", ["junk, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [","], "10.0.0.1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("fd00::1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        (None, ["198.51.100.1"], "None"),
    ],
)
def test_the_client_is_the_last_hop_that_is_not_a_trusted_proxy(
    peer: str | None, forwarded: list[str], expected: str
) -> None:
    trusted = Settings(_env_file=None, trusted_proxies="10.0.0.0/8, fd00::/8").trusted_proxies
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    client = None if peer is None else (peer, 4711)

    found = client_address(Request({"type": "http", "client": client, "headers": headers}), trusted)

    assert str(found) == expected


@pytest.mark.parametrize("networks", ["10.0.0.1/8", "proxy", "10.0.0.0/33"])
def test_trusted_proxies_that_are_not_networks_are_refused(networks: str) -> None:
    with pytest.raises(ValueError, match="trusted_proxies"):
        Settings(_env_file=None, trusted_proxies=networks)
