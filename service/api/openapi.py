"""The service's own description as OpenAPI 3.1, from the route table and the shapes."""

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from service.api.answer_schemas import SCHEMAS
from service.api.bounds import JSON_COMPONENTS, Schema, text_schema, the
from service.api.described_answers import HEADERS, RESPONSES, Answers, answers
from service.api.event_schemas import EVENTS

# Parameters come through a check of their own, behind which pydantic leaves its own words.
STANDARD_WORDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}
ANY_OBJECT = {"type": "object", "additionalProperties": True}
IN_PATH = {
    "StringConvertor": {"type": "string", "pattern": "^[^/]+$"},
    "UUIDConvertor": {"type": "string", "format": "uuid"},
    "AnyText": {"type": "string", "minLength": 1},
}
OPEN = frozenset({"/health", "/", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs"})
REDIRECT = 307


class Described(NamedTuple):
    """`answer` names the schema of what is answered with `status`, None for no JSON.

    `refuses` are the statuses that this endpoint has besides those which follow from the rest.
    `makes` names parameters of other endpoints, and where the answer has values for them.
    """

    summary: str
    status: int = 200
    answer: str | None = None
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    events: str | None = None
    media_type: str = "application/json"
    refuses: frozenset[int] = frozenset()
    max_idempotency_key_chars: int | None = None
    makes: Mapping[str, str] = MappingProxyType({})

    @property
    def models(self) -> list[type[BaseModel]]:
        return [model for model in (self.query, self.body) if model]


class Operation(NamedTuple):
    dialect: str
    method: str
    path: str
    described: Described
    is_limited: bool

    @property
    def is_redirect(self) -> bool:
        return self.described.status == REDIRECT

    @property
    def is_open(self) -> bool:
        return self.path in OPEN or self.is_redirect

    @property
    def template(self) -> str:
        return compile_path(self.path)[1]

    @property
    def name(self) -> str:
        slug = re.sub(r"\W+", "_", self.template).strip("_")
        slash = "_slash" if self.template.endswith("/") else ""
        return f"{self.method.lower()}_{slug}{slash}"


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    listed = list(operations)
    shapes, components = _shapes(listed)
    paths: dict[str, Any] = {}
    for operation in listed:
        described = _operation(operation, shapes, components)
        if operation.described.makes:
            links = dict(_links(operation, listed))
            described["responses"][str(operation.described.status)]["links"] = links
        paths.setdefault(operation.template, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Session service", "version": version},
        "paths": paths,
        "components": {
            "schemas": components | JSON_COMPONENTS | SCHEMAS | EVENTS,
            "responses": RESPONSES,
            "headers": HEADERS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
        "security": [{"token": []}],
    }


async def show_document(request: Request) -> Response:
    return Response(request.app.state.openapi, media_type="application/json")


def _shapes(operations: list[Operation]) -> tuple[dict[type[BaseModel], Schema], Schema]:
    """Return the schema of each shape, and the components they refer to."""
    models = {model: None for operation in operations for model in operation.described.models}
    found, defined = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/components/schemas/{model}",
    )
    components = _standard(defined["$defs"])
    return {model: found[model, "validation"] for model in models}, components


def _standard(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_standard(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.items() >= ANY_OBJECT.items():
        rest = {word: part for word, part in schema.items() if word not in ANY_OBJECT}
        return the("JsonObject") | rest
    return {STANDARD_WORDS.get(word, word): _standard(part) for word, part in schema.items()}


def _operation(
    operation: Operation, shapes: dict[type[BaseModel], Schema], components: Schema
) -> dict[str, Any]:
    described = operation.described
    shown: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.dialect],
        "summary": described.summary,
        "parameters": [*_path_parameters(operation)],
        "responses": {str(status): answer for status, answer in answers(_told(operation))},
    }
    if operation.is_open:
        shown["security"] = []
    if described.query:
        schema = _resolved(shapes[described.query], components)
        shown["parameters"] += _query_parameters(schema)
    if described.max_idempotency_key_chars:
        shown["parameters"].append(_idempotency_key(described.max_idempotency_key_chars))
    if described.body:
        content = {"application/json": {"schema": shapes[described.body]}}
        shown["requestBody"] = {"required": True, "content": content}
    return shown


def _told(operation: Operation) -> Answers:
    described = operation.described
    return Answers(
        dialect=operation.dialect,
        status=described.status,
        schema=described.answer,
        events=described.events,
        media_type=described.media_type,
        failures=described.refuses | _failures(operation),
    )


def _failures(operation: Operation) -> set[int]:
    """Return the statuses that follow from what the operation asks for."""
    described = operation.described
    if operation.is_open:
        return {408, 431, 500, 503}
    failures = {401, 408, 431, 500, 503}
    if described.models or ":path}" in operation.path:
        failures.add(400 if operation.dialect == "native" else 422)
    if described.body:
        failures |= {413, 415}
    if operation.is_limited:
        failures.add(429)
    return failures


def _resolved(schema: Schema, components: Schema) -> Schema:
    found: Schema = components[schema["$ref"].rpartition("/")[2]]
    return found


def _path_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name, convertor in compile_path(operation.path)[2].items():
        schema = IN_PATH[type(convertor).__name__]
        if name == "session_id" and not operation.is_redirect:
            schema = IN_PATH["UUIDConvertor"]
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
    """Yield what can be asked of what was made, by the name of the operation."""
    for parameter, pointer in maker.described.makes.items():
        for other in others:
            is_same = other.dialect == maker.dialect and not other.is_redirect
            if is_same and f"{{{parameter}}}" in other.template:
                value = f"$response.body#{pointer}"
                yield (
                    other.name,
                    {"operationId": other.name, "parameters": {parameter: value}},
                )


def _query_parameters(shape: Schema) -> Iterator[dict[str, Any]]:
    if "anyOf" in shape:
        # The rule is about all of them together: as one object, written as if they were alone.
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
    """Return the schema without null: a parameter is there as text, or it is not."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {word: part for word, part in schema.items() if word not in {"anyOf", "default"}}
    if schema.get("default") not in (None, []):
        rest["default"] = schema["default"]
    return rest | kinds[0] if kinds else rest
