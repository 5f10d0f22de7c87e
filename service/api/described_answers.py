"""What `/openapi.json` says of answers: each status with its headers and the schema of its body."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from service.api.bounds import Schema, the

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
    "Authenticate": {"description": "Bearer.", "required": True, "schema": {"const": "Bearer"}},
    "Location": {
        "description": "The same with a slash at the end.",
        "required": True,
        "schema": TEXT,
    },
}
HEADERS_OF = {
    307: {"Location": "Location"},
    401: {"WWW-Authenticate": "Authenticate"},
    429: {"Retry-After": "RetryAfter"},
    503: {"Retry-After": "RetryAfter"},
}
# What is refused before it reaches an operation has one shape for all dialects.
EARLY = {408: "TooSlow", 431: "HeadTooLarge"}


class Answers(NamedTuple):
    """`schema` and `events` name schemas: of the body with `status`, of each streamed event."""

    dialect: str
    status: int
    schema: str | None
    events: str | None
    media_type: str
    failures: set[int] | frozenset[int]


def answers(told: Answers) -> Iterator[tuple[int, dict[str, Any]]]:
    yield told.status, _answer(told.status, "What was asked for.", _content(told))
    for status in sorted(told.failures):
        if status in EARLY:
            yield status, {"$ref": f"#/components/responses/{EARLY[status]}"}
        else:
            schema = _failure_schema(told, status)
            yield status, _answer(status, FAILURES[status], {"application/json": schema})


def _content(told: Answers) -> dict[str, Schema]:
    content: dict[str, Schema] = {}
    if told.schema:
        content[told.media_type] = the(told.schema)
    elif told.media_type != "application/json":
        content[told.media_type] = TEXT
    if told.events:
        content["text/event-stream"] = the(told.events)
    return content


def _answer(status: int, description: str, content: dict[str, Schema]) -> dict[str, Any]:
    names = {"X-Request-Id": "RequestId"} | HEADERS_OF.get(status, {})
    shown: dict[str, Any] = {
        "description": description,
        "headers": {
            name: {"$ref": f"#/components/headers/{component}"} for name, component in names.items()
        },
    }
    if content:
        shown["content"] = {kind: {"schema": schema} for kind, schema in content.items()}
    return shown


def _failure_schema(told: Answers, status: int) -> Schema:
    if told.dialect == "julep" and status == 422:  # noqa: PLR2004  Of a shape of its own.
        return the("julep.Invalid")
    failure = the(f"{told.dialect}.Failure")
    if status == 503:  # noqa: PLR2004  Also where there is no room for the request at all.
        told_by = the("ops.Readiness") if told.schema == "ops.Readiness" else failure
        return {"anyOf": [told_by, the("Refusal")]}
    return failure


RESPONSES = {
    "TooSlow": _answer(
        408, "The request took too long to arrive.", {"application/json": the("Refusal")}
    ),
    "HeadTooLarge": _answer(
        431, "The head of the request is too large.", {"application/json": the("Refusal")}
    ),
}
