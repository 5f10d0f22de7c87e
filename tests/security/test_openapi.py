"""The OpenAPI document is valid and complete; `test_matrix.py` compares responses with it."""

import re

import httpx2
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from service.api.openapi.document import document as made_document
from service.domain.rules import MAX_ID_CHARS, MAX_TITLE_CHARS
from tests.rows import BY_NAME, DIALECTS, ROWS
from tests.security.described import document, operation_of, problems
from tests.security.matrix import MATRIX, WHO
from tests.security.world import World

LISTED = [name for name in MATRIX if BY_NAME[name].endpoint.listed]


async def test_the_served_document_is_valid_openapi(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/openapi.json")

    assert answer.json() == document()
    OpenAPIV31SpecValidator(answer.json()).validate()


def test_every_endpoint_is_described_and_nothing_else() -> None:
    operations = [o for by_method in document()["paths"].values() for o in by_method.values()]
    assert len(operations) == len([row for row in ROWS if row.endpoint.listed])


def test_only_open_routes_are_described_as_open() -> None:
    described_open = {e for e in LISTED if operation_of(e).get("security") == []}

    assert described_open == {e for e in LISTED if MATRIX[e].statuses[WHO.index("nobody")] != 401}


BODIES = {e: o["requestBody"] for e in LISTED if "requestBody" in (o := operation_of(e))}


@pytest.mark.parametrize("endpoint", BODIES)
async def test_the_examples_of_a_body_are_accepted(world: World, endpoint: str) -> None:
    reference = BODIES[endpoint]["content"]["application/json"]["schema"]["$ref"]
    schema = document()["components"]["schemas"][reference.rpartition("/")[2]]

    answers = [
        await world.ask("admin", endpoint, MATRIX[endpoint]._replace(body=example))
        for example in schema["examples"]
    ]

    assert schema["examples"]
    assert [a.text for a in answers if not a.is_success] == []
    assert [problem for e in schema["examples"] for problem in problems(schema, e)] == []


@pytest.mark.parametrize("dialect", ["native", "pyspur", "keyed", "julep"])
def test_429_is_documented_for_routes_that_need_a_token_in_dialects_with_a_limit(
    dialect: str,
) -> None:
    paths = made_document(DIALECTS, limited={dialect})["paths"]

    operations = [o for by_method in paths.values() for o in by_method.values()]
    told = {o["operationId"] for o in operations if "429" in o["responses"]}
    of_dialect = {o["operationId"] for o in operations if o["tags"] == [dialect]}
    assert told == {o["operationId"] for o in operations if o.get("security") != []} & of_dialect
    assert told


@pytest.mark.parametrize("endpoint", LISTED)
def test_path_parameters_are_described(endpoint: str) -> None:
    described = operation_of(endpoint)["parameters"]

    names = {p["name"] for p in described if p["in"] == "path" and p["required"]}
    assert names == set(re.findall(r"{(\w+)", endpoint))


async def test_bodies_and_parameters_are_described_with_their_bounds() -> None:
    create = operation_of("POST /create")["parameters"]
    of_chat = operation_of("POST /api/v1/chat")["requestBody"]["content"]["application/json"]

    bounds = {parameter["name"]: parameter["schema"] for parameter in create}
    assert bounds["agent_id"]["maxLength"] == MAX_ID_CHARS
    assert bounds["title"]["maxLength"] == MAX_TITLE_CHARS
    assert bounds["max_context_results"]["minimum"] == 1
    assert bounds["max_context_results"]["maximum"] == 1000
    assert problems(of_chat["schema"], {"message": "x" * 100_000}) == []
    assert problems(of_chat["schema"], {"message": "x" * 100_001}) != []
