"""The OpenAPI 3.1 document of all endpoints."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import service
from service.api.kit.bounds import JSON_COMPONENTS, Schema, text_schema
from service.api.kit.dialect import Dialect
from service.api.kit.endpoint import Endpoint
from service.api.kit.router import Route, Router
from service.api.openapi.responses import HEADERS, responses
from service.api.openapi.schemas import Schemas

IN_PATH: dict[str | None, Schema] = {
    None: {"type": "string", "pattern": "^[^/]+$"},
    "uuid": {"type": "string", "format": "uuid"},
    "path": {"type": "string", "minLength": 1},
}


ABOUT = """\
Try it here: paste a token (`session-service token --user ada` prints one) under **Authorize**,
open an endpoint, and press **Execute**.

The dialects are different ways to speak to the same sessions. A path works with and without a
slash at its end. Every response names its request in `X-Request-Id`; a 5xx says in `Outcome`
whether nothing was changed (`unchanged`) or the change may have been made (`unknown`).
"""


class Operation(NamedTuple):
    route: Route
    endpoint: Endpoint

    @property
    def name(self) -> str:
        slug = re.sub(r"\W+", "_", self.route.template).strip("_")
        return f"{self.endpoint.method.lower()}_{slug}"


def document(dialects: Collection[Dialect], limited: Collection[str]) -> dict[str, Any]:
    """Return the document; the dialects whose names are in `limited` have rate limits."""
    schemas = {dialect.name: Schemas(dialect) for dialect in dialects}
    operations = list(_operations(Router(dialects).routes))
    paths: dict[str, Any] = {}
    for operation in operations:
        name = operation.route.dialect.name
        described = _described(operation, schemas[name], is_limited=name in limited)
        if operation.endpoint.makes:
            links = dict(_links(operation, operations))
            described["responses"][str(operation.endpoint.status)]["links"] = links
        by_method = paths.setdefault(operation.route.template, {})
        by_method[operation.endpoint.method.lower()] = described
    components = {name: s for part in schemas.values() for name, s in part.components.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Session service",
            "version": service.__version__,
            "summary": "The service in which AI chat products keep their conversations.",
            "description": ABOUT,
        },
        "tags": [{"name": dialect.name, "description": dialect.about} for dialect in dialects],
        "paths": paths,
        "components": {
            "schemas": components | JSON_COMPONENTS,
            "headers": HEADERS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
        "security": [{"token": []}],
    }


def _operations(routes: Iterable[Route]) -> Iterator[Operation]:
    for route in routes:
        for method, endpoint in route.endpoints.items():
            if method == endpoint.method and endpoint.listed:
                yield Operation(route, endpoint)


def _described(operation: Operation, schemas: Schemas, *, is_limited: bool) -> dict[str, Any]:
    route, endpoint = operation
    described = responses(route.dialect, endpoint, schemas, is_limited=is_limited)
    shown: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [route.dialect.name],
        "summary": endpoint.summary,
        "parameters": [*_path_parameters(route)],
        "responses": {str(status): response for status, response in described},
    }
    if endpoint.open:
        shown["security"] = []
    if endpoint.query:
        shown["parameters"] += _query_parameters(schemas.component(endpoint.query))
    if endpoint.max_idempotency_key_chars:
        shown["parameters"].append(_idempotency_key(endpoint.max_idempotency_key_chars))
    if endpoint.body:
        content = {"application/json": {"schema": schemas.of(endpoint.body)}}
        shown["requestBody"] = {"required": True, "content": content}
    return shown


def _path_parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name, kind in route.parameters.items():
        schema = IN_PATH["uuid" if name == "session_id" else kind]
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _idempotency_key(max_chars: int) -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "With it, messages are stored once, however often they are sent.",
        "schema": text_schema(max_chars),
        "example": "answer-1",
    }


def _links(maker: Operation, others: Iterable[Operation]) -> Iterator[tuple[str, Any]]:
    """Yield the operations on what was created, by their names."""
    for parameter, pointer in maker.endpoint.makes.items():
        for other in others:
            is_same = other.route.dialect is maker.route.dialect
            if is_same and parameter in other.route.parameters:
                value = f"$response.body#{pointer}"
                yield (
                    other.name,
                    {"operationId": other.name, "parameters": {parameter: value}},
                )


def _query_parameters(shape: Schema) -> Iterator[dict[str, Any]]:
    if "anyOf" in shape:
        # The rule is about all of them together, so they are one object, serialized as if separate.
        together = {word: part for word, part in shape.items() if word != "title"}
        together["properties"] = {
            name: _given(schema) for name, schema in shape["properties"].items()
        }
        yield {"name": "selection", "in": "query", "required": True, "schema": together}
        return
    for name, schema in shape["properties"].items():
        parameter = {"name": name, "in": "query", "required": name in shape.get("required", ())}
        given = _given(schema)
        if "contentSchema" in given:
            content = {given["contentMediaType"]: {"schema": given["contentSchema"]}}
            yield parameter | {"content": content}
        else:
            yield parameter | {"schema": given, "explode": False}


def _given(schema: Schema) -> Schema:
    """Return the schema without null: a parameter is present as text, or it is missing."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {word: part for word, part in schema.items() if word not in {"anyOf", "default"}}
    if schema.get("default") not in (None, []):
        rest["default"] = schema["default"]
    return rest | kinds[0] if kinds else rest
