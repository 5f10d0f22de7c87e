"""The headers of every response, and which pages of other origins may call."""

import re
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from config.settings import Settings
from service.app import SessionService
from tests.api.asking import SECRET, UNKNOWN_ID, Api
from tests.security.matrix import MATRIX
from tests.security.world import World

ORIGIN = "https://app.example.com"
ASKS = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
MADE_BY_US = re.compile(r"[0-9a-f]{32}")


def service(**settings: Any) -> SessionService:
    """Return a service without a database: a request that needs it runs into our bug."""
    return SessionService(Settings(_env_file=None, jwt_secret=SECRET, **settings))


def asking(app: SessionService) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://service")


def assert_standard(headers: httpx2.Headers) -> None:
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert MADE_BY_US.fullmatch(headers["x-request-id"])
    assert "server" not in headers


@pytest.mark.no_cover
@pytest.mark.parametrize("who", ["owner", "nobody"])
@pytest.mark.parametrize("endpoint", [e for e in MATRIX if not e.startswith("GET /docs/")])
async def test_every_response_has_the_standard_headers(
    world: World, endpoint: str, who: str
) -> None:
    answer = await world.ask(who, endpoint, MATRIX[endpoint])

    assert_standard(answer.headers)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("PUT", "/create", 405), ("GET", f"/get/{UNKNOWN_ID}", 500)],
)
async def test_responses_to_unknown_routes_and_to_our_bugs_have_them_too(
    method: str, path: str, status: int
) -> None:
    api = Api(asking(service()), "ann")

    answer = await api.ask(method, path)

    assert answer.status_code == status
    assert_standard(answer.headers)


async def test_a_response_to_our_bug_leaves_the_outcome_open() -> None:
    api = Api(asking(service()), "ann")

    answer = await api.ask("GET", f"/get/{UNKNOWN_ID}")

    assert (answer.status_code, answer.headers["outcome"]) == (500, "unknown")


@pytest.mark.parametrize("given", ["a", "A-z_0.9", "x" * 64])
async def test_a_clients_request_id_is_kept_if_it_is_a_short_token(given: str) -> None:
    answer = await asking(service()).get("/health", headers={"X-Request-Id": given})

    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "<b>", "a,b", '"', "é"])
async def test_other_request_ids_are_replaced(given: str) -> None:
    headers = {b"X-Request-Id": given.encode()}

    answer = await asking(service()).get("/health", headers=headers)

    assert MADE_BY_US.fullmatch(answer.headers["x-request-id"])


async def test_no_page_of_another_origin_is_allowed_unless_origins_are_listed() -> None:
    client = asking(service())

    preflight = await client.options("/create", headers=ASKS)
    answer = await client.get("/health", headers={"Origin": ORIGIN})

    assert preflight.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_pages_of_a_listed_origin_are_allowed_without_cookies() -> None:
    client = asking(service(cors_origins=(ORIGIN,)))

    preflight = await client.options("/create", headers=ASKS)
    answer = await client.get("/health", headers={"Origin": ORIGIN})

    assert preflight.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in preflight.headers | answer.headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", f"{ORIGIN}.evil.example", "http://app.example.com", "*"],
)
async def test_pages_of_other_origins_are_not_allowed_alongside_listed_ones(origin: str) -> None:
    client = asking(service(cors_origins=(ORIGIN,)))

    preflight = await client.options("/create", headers=ASKS | {"Origin": origin})
    answer = await client.get("/health", headers={"Origin": origin})

    assert preflight.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["*", "https://*", "null", "app.example.com", f"{ORIGIN}/"])
def test_a_value_that_is_not_an_origin_cannot_be_listed(origin: str) -> None:
    with pytest.raises(ValidationError, match="List origins like"):
        Settings.model_validate({"cors_origins": origin})
