"""A dialect is one value: two endpoints, and no other line, give it all that dialects have."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from config.settings import Settings
from service.api.dialects import ALL
from service.api.kit.endpoint import Endpoint
from service.api.kit.parts import caller
from service.api.kit.reading import read_body
from service.app import SessionService
from tests.api.asking import SECRET, Api
from tests.throwaway import dialect_of

LIMIT = 5


class Wish(BaseModel):
    wish: str


class Granted(TypedDict):
    user_id: str
    wish: str


async def grant(request: Request) -> Response:
    body = await read_body(request, Wish)
    return JSONResponse(Granted(user_id=caller(request).user_id, wish=body.wish))


async def stumble(_: Request) -> Response:
    raise RuntimeError


WISHES = dialect_of(
    Endpoint("POST", "/wishes/{name:path}", grant, "Grant a wish.", returns=Granted, body=Wish),
    Endpoint("GET", "/wishes", stumble, "Stumble.", open=True),
    name="wishes",
)


@pytest.fixture
async def alice() -> AsyncIterator[Api]:
    settings = Settings(_env_file=None, jwt_secret=SECRET, requests_per_minute={"wishes": LIMIT})
    app = SessionService(settings, dialects=[*ALL, WISHES])
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield Api(client, "alice")


async def wish(alice: Api, **options: Any) -> httpx2.Response:
    return await alice.ask("POST", "/wishes/chat/", **{"json": {"wish": "rain"}} | options)


async def test_its_endpoint_is_served_with_the_caller_of_the_token(alice: Api) -> None:
    answer = await wish(alice)

    assert (answer.status_code, answer.json()) == (200, {"user_id": "alice", "wish": "rain"})


async def test_it_needs_a_token_unless_it_is_open(alice: Api) -> None:
    answer = await wish(alice, headers={"Authorization": "Bearer x"})

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert answer.json()["code"] == "unauthenticated"


async def test_its_errors_have_its_shape(alice: Api) -> None:
    bad = await wish(alice, json={})
    unknown = await alice.get("/wishes/a/b/c")
    broken = await alice.get("/wishes")

    assert (bad.status_code, bad.json()["code"]) == (400, "invalid_shape")
    assert (unknown.status_code, unknown.headers["allow"]) == (405, "POST")
    assert unknown.json().keys() == {"refused"}
    assert (broken.status_code, broken.json().keys()) == (500, {"refused"})


async def test_it_has_a_rate_limit_by_its_name(alice: Api) -> None:
    statuses = [(await wish(alice)).status_code for _ in range(LIMIT + 1)]

    assert statuses == [200] * LIMIT + [429]


async def test_it_is_described(alice: Api) -> None:
    document = (await alice.get("/openapi.json")).json()
    about = (await alice.get("/")).json()

    OpenAPIV31SpecValidator(document).validate()
    described = document["paths"]["/wishes/{name}"]["post"]
    assert described["tags"] == ["wishes"]
    assert described["responses"].keys() >= {"200", "400", "401", "413", "415", "429", "503"}
    assert document["components"]["schemas"].keys() >= {"wishes.Wish", "wishes.Granted"}
    assert about["dialects"]["wishes"] == ["/"]
    assert {tag["name"] for tag in document["tags"]} >= {"wishes", "native"}
