"""What the document says about responses: each status, with its headers and its body's schema."""

from collections.abc import Iterator
from typing import Any

from service.api.kit.bounds import Schema
from service.api.kit.dialect import Dialect
from service.api.kit.endpoint import Endpoint, Event
from service.api.openapi.schemas import Schemas

SUCCESS = "Success."
FAILURES = {
    400: "Malformed request, or a value that breaks a rule.",
    401: "No valid token.",
    403: "Belongs to another user.",
    404: "Not found, or not for this caller.",
    409: "Conflicts with what exists.",
    413: "Too large.",
    415: "The body is not plain JSON.",
    422: "A value breaks a rule.",
    429: "Too many requests.",
    500: "The service failed.",
    502: "The model failed.",
    503: "Temporarily unavailable; retry.",
}
TEXT: Schema = {"type": "string"}
HEADERS: dict[str, Schema] = {
    "RequestId": {
        "description": "Names the request in the logs.",
        "required": True,
        "schema": TEXT,
    },
    "RetryAfter": {
        "description": "Seconds to wait before trying again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Authenticate": {
        "description": "The challenge of RFC 6750, with the reason if a token was sent.",
        "required": True,
        "schema": {"type": "string", "pattern": "^Bearer"},
    },
}
HEADERS_OF = {
    401: {"WWW-Authenticate": "Authenticate"},
    429: {"Retry-After": "RetryAfter"},
    503: {"Retry-After": "RetryAfter"},
}
# Refused before the request is complete.
EARLY = {
    408: "The request took too long to arrive.",
    431: "The headers of the request are too large.",
}


def responses(
    dialect: Dialect, endpoint: Endpoint, schemas: Schemas, *, is_limited: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    yield endpoint.status, _response(endpoint.status, SUCCESS, _content(endpoint, schemas))
    statuses = endpoint.refuses | _implied(dialect, endpoint, is_limited=is_limited)
    for status in sorted(statuses):
        failure = schemas.of(dialect.failures.get(status, dialect.failure))
        if status == 503 and endpoint.always_answered and endpoint.returns:  # noqa: PLR2004
            # A health endpoint has the same body whether it succeeds or fails.
            failure = {"anyOf": [schemas.of(endpoint.returns), failure]}
        description = EARLY.get(status) or FAILURES[status]
        yield status, _response(status, description, {"application/json": failure})


def _implied(dialect: Dialect, endpoint: Endpoint, *, is_limited: bool) -> set[int]:
    """Return the statuses that follow from what the endpoint takes."""
    statuses = {408, 431, 500, 503}
    if endpoint.open:
        return statuses
    statuses.add(401)
    if endpoint.models or ":path}" in endpoint.path:
        statuses.add(dialect.invalid_status)
    if endpoint.body:
        statuses |= {413, 415}
    if is_limited:
        statuses.add(429)
    return statuses


def _content(endpoint: Endpoint, schemas: Schemas) -> dict[str, Schema]:
    content: dict[str, Schema] = {}
    if endpoint.returns:
        content[endpoint.media_type] = schemas.of(endpoint.returns)
    elif endpoint.media_type != "application/json":
        content[endpoint.media_type] = TEXT
    if endpoint.events:
        kinds = [_event(event, schemas) for event in endpoint.events]
        content["text/event-stream"] = {"anyOf": kinds}
    return content


def _event(event: Event, schemas: Schemas) -> Schema:
    data: Schema = {"const": event.data}
    if event.is_json:
        data = {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": schemas.of(event.data),
        }
    return {
        "type": "object",
        "properties": {"event": {"const": event.name}, "data": data},
        "required": ["event", "data"],
    }


def _response(status: int, description: str, content: dict[str, Schema]) -> dict[str, Any]:
    names = {"X-Request-Id": "RequestId"} | HEADERS_OF.get(status, {})
    shown: dict[str, Any] = {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{kind}"} for name, kind in names.items()},
    }
    if content:
        shown["content"] = {kind: {"schema": schema} for kind, schema in content.items()}
    return shown
