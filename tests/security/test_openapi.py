"""The OpenAPI document is valid, complete, and says what is answered."""

import re
from functools import cache
from typing import Any

import httpx2
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from service.descriptions import DESCRIBED, description
from service.routes import ENDPOINTS
from tests.security.matrix import MATRIX, WHO
from tests.security.world import World


@cache
def document() -> dict[str, Any]:
    return description(limited={"keyed"})


def operation_of(endpoint: str) -> dict[str, Any]:
    method, _, path = endpoint.partition(" ")
    found: dict[str, Any] = document()["paths"][re.sub(r"{(\w+):\w+}", r"{\1}", path)]
    operation: dict[str, Any] = found[method.lower()]
    return operation


def problems(schema: dict[str, Any], value: object) -> list[str]:
    whole = {**schema, "components": document()["components"]}
    return [error.message for error in OAS31Validator(whole).iter_errors(value)]


async def test_the_document_that_is_served_is_valid_openapi(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/openapi.json")

    assert answer.json() == document()
    OpenAPIV31SpecValidator(answer.json()).validate()


def test_every_endpoint_is_described_and_nothing_else() -> None:
    assert {endpoint.handler for endpoint in ENDPOINTS} == DESCRIBED.keys()
    operations = [o for by_method in document()["paths"].values() for o in by_method.values()]
    assert len(operations) == len(ENDPOINTS)


def test_open_routes_and_no_others_are_described_as_open() -> None:
    described_open = {e for e in MATRIX if operation_of(e).get("security") == []}

    assert described_open == {e for e in MATRIX if MATRIX[e].statuses[WHO.index("nobody")] != 401}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("endpoint", MATRIX)
async def test_what_is_answered_is_what_the_document_says(
    world: World, endpoint: str, who: str
) -> None:
    answer = await world.ask(who, endpoint, MATRIX[endpoint])

    described = operation_of(endpoint)["responses"][str(answer.status_code)]
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    assert media_type in described.get("content", {"": {}})
    if media_type == "application/json":
        schema = described["content"][media_type]["schema"]
        assert problems(schema, answer.json()) == []


async def test_bodies_and_parameters_are_described_with_their_bounds() -> None:
    create = operation_of("POST /create")["parameters"]
    of_chat = operation_of("POST /api/v1/chat")["requestBody"]["content"]["application/json"]

    bounds = {parameter["name"]: parameter["schema"] for parameter in create}
    assert bounds["max_context_results"]["minimum"] == 1
    assert bounds["max_context_results"]["maximum"] == 1000
    assert problems(of_chat["schema"], {"message": "x" * 100_000}) == []
    assert problems(of_chat["schema"], {"message": "x" * 100_001}) != []


async def test_the_page_loads_nothing_from_elsewhere(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/docs")

    assert answer.headers["content-security-policy"].startswith("default-src 'none';")
    assert re.findall(r"<(?:script|link|img|iframe)|\bsrc=|@import", answer.text) == []
    assert set(re.findall(r'href="([^"]*)"', answer.text)) == {"openapi.json"}
    assert all(endpoint.method in answer.text for endpoint in ENDPOINTS)
