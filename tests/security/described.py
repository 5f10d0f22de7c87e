"""What `/openapi.json` says of the endpoints, and how a response differs from it."""

import re
from functools import cache
from typing import Any

import httpx2
from openapi_schema_validator import OAS31Validator

from service.api.openapi.document import document as made_document
from tests.rows import BY_NAME, DIALECTS


@cache
def document() -> dict[str, Any]:
    return made_document(DIALECTS, limited={"keyed"})


def operation_of(endpoint: str) -> dict[str, Any]:
    method, _, path = endpoint.partition(" ")
    found: dict[str, Any] = document()["paths"][re.sub(r"{(\w+):\w+}", r"{\1}", path)]
    operation: dict[str, Any] = found[method.lower()]
    return operation


def problems(schema: dict[str, Any], value: object) -> list[str]:
    whole = {**schema, "components": document()["components"]}
    return [error.message for error in OAS31Validator(whole).iter_errors(value)]


def problems_of(answer: httpx2.Response, endpoint: str) -> list[str]:
    """Return how the response differs from its description, unless it has none."""
    is_described = endpoint in BY_NAME and BY_NAME[endpoint].endpoint.listed
    if not is_described:
        return []
    described = operation_of(endpoint)["responses"].get(str(answer.status_code))
    if described is None:
        return [f"status {answer.status_code}"]
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if media_type not in described.get("content", {"": {}}):
        return [f"content-type {media_type}"]
    missing = [name for name in _required_headers(described) if name not in answer.headers]
    if media_type != "application/json":
        return missing
    return missing + problems(described["content"][media_type]["schema"], answer.json())


def _required_headers(described: dict[str, Any]) -> list[str]:
    components = document()["components"]["headers"]
    return [
        name
        for name, header in described["headers"].items()
        if components[header["$ref"].rpartition("/")[2]].get("required")
    ]
