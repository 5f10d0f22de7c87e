"""The service's own description as OpenAPI 3.1, from the route table and the shapes."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from service.api.answer_schemas import SCHEMAS, Schema, the

# Parameters come through a check of their own, behind which pydantic leaves its own words.
STANDARD_WORDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum"}
CHARACTERS = {"session_id": {"type": "string", "format": "uuid"}}
FAILURES = {
    400: "The request is not one.",
    401: "No valid token.",
    403: "Somebody else's.",
    404: "Not there, or not for this caller.",
    409: "In conflict with what is there.",
    413: "Too large.",
    415: "The body is not plain JSON.",
    422: "The request breaks a rule.",
    429: "Too many requests.",
    500: "The service failed.",
    502: "The model failed.",
    503: "Not now; try again.",
}
OPEN = frozenset({"/health", "/", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs"})


class Described(NamedTuple):
    """`answer` names the schema of what is answered with `status`, None for no JSON."""

    summary: str
    status: int = 200
    answer: str | None = None
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    streams: bool = False
    media_type: str = "application/json"

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
    def is_open(self) -> bool:
        return self.path in OPEN or self.described.status == 307  # noqa: PLR2004  A redirect.

    @property
    def template(self) -> str:
        return re.sub(r"{(\w+):\w+}", r"{\1}", self.path)


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    listed = list(operations)
    shapes, components = _shapes(listed)
    paths: dict[str, Any] = {}
    for operation in listed:
        described = _operation(operation, shapes, components)
        paths.setdefault(operation.template, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Session service", "version": version},
        "paths": paths,
        "components": {
            "schemas": components | SCHEMAS,
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
    return {STANDARD_WORDS.get(word, word): _standard(part) for word, part in schema.items()}


def _operation(
    operation: Operation, shapes: dict[type[BaseModel], Schema], components: Schema
) -> dict[str, Any]:
    described = operation.described
    slug = re.sub(r"\W+", "_", operation.template).strip("_")
    slash = "_slash" if operation.template.endswith("/") else ""
    shown: dict[str, Any] = {
        "operationId": f"{operation.method.lower()}_{slug}{slash}",
        "tags": [operation.dialect],
        "summary": described.summary,
        "parameters": [*_path_parameters(operation.template)],
        "responses": {str(status): answer for status, answer in _answers(operation)},
    }
    if operation.is_open:
        shown["security"] = []
    if described.query:
        schema = _resolved(shapes[described.query], components)
        shown["parameters"] += _query_parameters(schema)
    if described.body:
        content = {"application/json": {"schema": shapes[described.body]}}
        shown["requestBody"] = {"required": True, "content": content}
    return shown


def _resolved(schema: Schema, components: Schema) -> Schema:
    found: Schema = components[schema["$ref"].rpartition("/")[2]]
    return found


def _path_parameters(template: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", template):
        schema = CHARACTERS.get(name, {"type": "string", "minLength": 1})
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(shape: Schema) -> Iterator[dict[str, Any]]:
    for name, schema in shape["properties"].items():
        yield {
            "name": name,
            "in": "query",
            "required": name in shape.get("required", ()),
            "schema": _given(schema),
            "explode": False,
        }


def _given(schema: Schema) -> Schema:
    """Return the schema without null: a parameter is there as text, or it is not."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {word: part for word, part in schema.items() if word not in {"anyOf", "default"}}
    if schema.get("default") is not None:
        rest["default"] = schema["default"]
    return rest | kinds[0] if kinds else rest


def _answers(operation: Operation) -> Iterator[tuple[int, dict[str, Any]]]:
    described = operation.described
    success: dict[str, Any] = {"description": "What was asked for."}
    content: dict[str, Any] = {}
    if described.answer:
        content[described.media_type] = {"schema": the(described.answer)}
    elif described.media_type != "application/json":
        content[described.media_type] = {"schema": {"type": "string"}}
    if described.streams:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    yield described.status, success | ({"content": content} if content else {})
    for status in sorted(_failures(operation)):
        schema = the(_failure_schema(operation, status))
        content = {"application/json": {"schema": schema}}
        yield status, {"description": FAILURES[status], "content": content}


def _failures(operation: Operation) -> set[int]:
    described, dialect = operation.described, operation.dialect
    if operation.is_open:
        return {500, 503}
    failures = {401, 500, 503}
    if described.models:
        failures |= {400} if dialect == "native" else {400, 422}
    if described.body:
        failures |= {403, 409, 413, 415}
    if described.query:
        failures |= {403, 409}
    if "{" in operation.path:
        failures |= {400, 403, 404, 409}
    if described.streams or operation.path.endswith(("chat", "suggestions")):
        failures.add(502)
    if operation.is_limited:
        failures.add(429)
    return failures


def _failure_schema(operation: Operation, status: int) -> str:
    if operation.path == "/readyz" and status == 503:  # noqa: PLR2004  What it is asked for.
        return "ops.Readiness"
    if operation.dialect == "julep" and status == 422:  # noqa: PLR2004  Of a shape of its own.
        return "julep.Invalid"
    return f"{operation.dialect}.Failure"
