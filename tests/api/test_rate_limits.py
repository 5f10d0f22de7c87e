"""Rate limits of every dialect: off unless set, each in its own shape and with its own counts."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2
import pytest
from pydantic import ValidationError

from config.settings import Settings
from service.api.dialects import ALL
from service.app import SessionService, rate_limits
from service.auth.errors import ConfigurationError
from service.domain.errors import StoreUnavailable
from service.storage.rate_counts import COLLECTION, RateCounts
from tests.api.asking import SECRET, Api
from tests.databases import connected, fresh_database, name_of
from tests.every import every
from tests.security.matrix import MATRIX, WHO

LIMIT = 3
ADDRESS = "192.0.2.1"
AWAY = "mongodb://127.0.0.1:9/"


class Ask(NamedTuple):
    """A request that is refused before it needs a database, and the field of 429 that says why."""

    method: str
    path: str
    refused: int
    problem: str


ASKED = {
    "native": Ask("POST", "/create", 400, "error"),
    "pyspur": Ask("POST", "/session/test/", 422, "detail"),
    "julep": Ask("POST", "/sessions", 415, "detail"),
}
each_dialect = pytest.mark.parametrize("dialect", ASKED)


@asynccontextmanager
async def service(**settings: Any) -> AsyncIterator[Api]:
    """Give a user of a separate service, which need not be started."""
    app = SessionService(Settings(_env_file=None, jwt_secret=SECRET, **settings))
    transport = httpx2.ASGITransport(app, client=(ADDRESS, 4711), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield Api(client, "alice")


def setting(*dialects: str) -> dict[str, dict[str, int]]:
    return {"requests_per_minute": dict.fromkeys(dialects, LIMIT)}


async def ask(api: Api, dialect: str, **options: Any) -> httpx2.Response:
    return await api.ask(ASKED[dialect].method, ASKED[dialect].path, **options)


def test_only_the_keyed_dialect_has_a_limit_by_default() -> None:
    limits = rate_limits(Settings(_env_file=None), ALL, RateCounts())

    assert limits.keys() == {"keyed"}


def test_a_limit_for_a_dialect_that_does_not_exist_is_refused_with_the_names_that_do() -> None:
    settings = Settings(_env_file=None, requests_per_minute={"naitve": 1})

    with pytest.raises(ConfigurationError, match=r"no dialect 'naitve'.* native, pyspur, keyed"):
        rate_limits(settings, ALL, RateCounts())


@pytest.mark.parametrize("text", ["60", "keyed", "keyed=", "keyed=-1", "keyed=0", "keyed=a"])
def test_a_limit_that_is_not_a_number_for_a_dialect_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SESSIONS_REQUESTS_PER_MINUTE", text)

    with pytest.raises(ValidationError):
        Settings(_env_file=None)


def test_limits_are_read_for_several_dialects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSIONS_REQUESTS_PER_MINUTE", "native=600, keyed=60")

    assert Settings(_env_file=None).requests_per_minute == {"native": 600, "keyed": 60}


@each_dialect
async def test_one_request_too_many_is_429_in_the_shape_of_the_dialect(dialect: str) -> None:
    async with service(**setting(dialect)) as alice:
        answers = [await ask(alice, dialect) for _ in range(LIMIT + 1)]

    statuses = [answer.status_code for answer in answers]
    wait_s = answers[-1].headers["retry-after"]
    said = {ASKED[dialect].problem: f"Too many requests. Try again in {wait_s} seconds."}
    if dialect == "native":
        said |= {"message": "Failed to create session.", "code": "rate_limited"}
    assert statuses == [ASKED[dialect].refused] * LIMIT + [429]
    assert answers[-1].json() == said
    assert 1 <= int(wait_s) <= 60


@each_dialect
async def test_an_address_is_counted_before_the_token_is_looked_at(dialect: str) -> None:
    bad = {"Authorization": "Bearer no.valid.token"}

    async with service(**setting(dialect)) as alice:
        statuses = [(await ask(alice, dialect, headers=bad)).status_code for _ in range(LIMIT + 1)]

    assert statuses == [401] * LIMIT + [429]


@each_dialect
async def test_a_token_is_counted_after_the_address(dialect: str) -> None:
    async with service(**setting(dialect), trusted_proxies=f"{ADDRESS}/32") as alice:
        statuses = [
            (await ask(alice, dialect, headers={"X-Forwarded-For": f"198.51.100.{n}"})).status_code
            for n in range(LIMIT + 1)
        ]

    assert statuses == [ASKED[dialect].refused] * LIMIT + [429]


@each_dialect
async def test_behind_a_trusted_proxy_each_address_has_a_count_of_its_own(dialect: str) -> None:
    async with service(**setting(dialect), trusted_proxies=f"{ADDRESS}/32") as alice:
        statuses = {
            (await ask(Api(alice.client, f"user-{n}"), dialect, headers=forwarded)).status_code
            for n in range(2 * LIMIT)
            if (forwarded := {"X-Forwarded-For": f"198.51.100.{n}"})
        }

    assert statuses == {ASKED[dialect].refused}


async def test_each_dialect_has_counts_of_its_own() -> None:
    async with service(**setting(*ASKED)) as alice:
        for _ in range(LIMIT + 1):
            await ask(alice, "native")
        native, pyspur = await ask(alice, "native"), await ask(alice, "pyspur")

    assert (native.status_code, pyspur.status_code) == (429, ASKED["pyspur"].refused)


async def test_exactly_the_rows_that_need_a_token_are_limited() -> None:
    limits = dict.fromkeys((*ASKED, "keyed"), 1)

    async with service(requests_per_minute=limits) as alice:
        for dialect in ASKED:
            await ask(alice, dialect)
        await alice.get("/api/v1/health")
        answers = {row: await alice.ask(*filled(row)) for row in MATRIX}

    limited = {row for row, answer in answers.items() if answer.status_code == 429}
    assert limited == {row for row in MATRIX if MATRIX[row].statuses[WHO.index("nobody")] == 401}


def filled(row: str) -> tuple[str, str]:
    """Return the method, and a path that matches the row."""
    method, _, template = row.partition(" ")
    with_ids = template.replace("{session_id:uuid}", str(uuid4()))
    return method, re.sub(r"{.*?}", "a", with_ids)


async def test_a_request_over_the_limit_of_its_process_does_not_reach_the_shared_store(
    mongo_url: str,
) -> None:
    async with connected("pymongo", mongo_url) as client, fresh_database(client) as database:
        counts = RateCounts()
        async with counts.shared(mongo_url, name_of(database), timeout_s=5):
            waits_s = [await counts.hit(LIMIT, "alice") for _ in range(LIMIT + 10)]

        [counted] = await database[COLLECTION].find({}).to_list()
    assert waits_s[:LIMIT] == [None] * LIMIT
    assert every(wait_s is not None and 1 <= wait_s <= 60 for wait_s in waits_s[LIMIT:])
    assert counted["count"] == LIMIT


async def test_shared_counts_are_in_the_database_in_the_path_with_the_sessions(
    mongo_url: str,
) -> None:
    async with connected("pymongo", mongo_url) as client, fresh_database(client) as database:
        url = f"{mongo_url.replace('/?', f'/{name_of(database)}?')}&minPoolSize=20&w=1"
        settings = Settings(
            _env_file=None,
            mongo_url=url,
            jwt_secret=SECRET,
            rate_limit_store="mongodb",
            requests_per_minute={"native": LIMIT},
        )
        app = SessionService(settings)
        transport = httpx2.ASGITransport(app)
        async with (
            app.lifespan(),
            httpx2.AsyncClient(transport=transport, base_url="http://service") as asking,
        ):
            await Api(asking, "alice").create()

        assert await database[COLLECTION].count_documents({}) == 2
        assert await database["sessions"].count_documents({}) == 1


async def test_unreachable_shared_counts_are_503_and_say_when_to_try_again() -> None:
    counts = RateCounts()

    async with counts.shared(AWAY, "nowhere", timeout_s=0.1):
        with pytest.raises(StoreUnavailable, match="Try again in"):
            await counts.hit(LIMIT, "alice")
