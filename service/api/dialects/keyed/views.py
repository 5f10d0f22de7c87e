"""What keyed responses hold. Errors are `{"detail": …}`; another user's session is not found."""

from collections.abc import Mapping
from typing import Any, Literal, NotRequired

import orjson
from starlette.responses import Response
from typing_extensions import TypedDict

from service.api.kit.bounds import Time
from service.api.kit.errors import InvalidShape, MalformedBody, RateLimited, headers_of, status_of
from service.api.kit.sse import event
from service.domain.chat.completion import Completion
from service.domain.errors import (
    DomainError,
    InvalidInput,
    ModelFailed,
    SessionNotFound,
    Unauthenticated,
)
from service.domain.models import Content, JsonObject, Role, Session, utc_now
from service.domain.session_key import key_text

MAX_SHOWN_ERRORS = 20
MAX_SHOWN_FIELD_CHARS = 200
MODEL_CALLS = 1


class Problem(TypedDict):
    field: str
    message: str
    type: str


class Failure(TypedDict):
    detail: str
    errors: NotRequired[list[Problem]]


class Health(TypedDict):
    status: str
    version: str
    uptime_seconds: float


class KeyList(TypedDict):
    sessions: list[str]
    count: int


class SessionView(TypedDict):
    """Times are in seconds since 1970."""

    key: str
    message_count: int
    created_at: float
    updated_at: float
    age_seconds: float


class Usage(TypedDict):
    prompt_tokens: int
    completion_tokens: int


class LineMessage(TypedDict):
    role: Role
    content: Content
    id: str
    created_at: Time
    reasoning_content: NotRequired[str]
    name: NotRequired[str]
    tool_calls: NotRequired[list[JsonObject]]
    tool_call_id: NotRequired[str]
    metadata: NotRequired[JsonObject]
    extra: NotRequired[JsonObject]
    client_key: NotRequired[str]
    usage: NotRequired[Usage]


class Line(TypedDict):
    """The line of a session that `session-service export` writes and `import` takes."""

    session_id: str
    user_id: str
    agent_id: str
    key: str | None
    title: str | None
    metadata: JsonObject | None
    max_context_results: int
    created_at: Time
    messages: list[LineMessage]
    is_test: NotRequired[bool]
    situation: NotRequired[str]
    render_templates: NotRequired[bool]
    token_budget: NotRequired[int]
    context_overflow: NotRequired[str]
    tools: NotRequired[list[JsonObject]]


class Deleted(TypedDict):
    deleted: Literal[True]
    key: str


class DeletedMany(TypedDict):
    deleted: int
    keys: list[str]


class Outcome(TypedDict):
    """What a reply has cost."""

    iterations: int
    usage: Usage
    tool_calls_made: list[str]


class Reply(Outcome):
    response: str
    session_key: str


class Start(TypedDict):
    session_key: str


class Token(TypedDict):
    text: str


def session_view(session: Session) -> SessionView:
    age_s = (utc_now() - session.created_at).total_seconds()
    return {
        "key": key_text(session.id, session.key),
        "message_count": session.message_count,
        "created_at": session.created_at.timestamp(),
        "updated_at": session.last_active.timestamp(),
        "age_seconds": round(age_s, 1),
    }


def outcome_view(completion: Completion) -> Outcome:
    calls = completion.message.tool_calls or []
    return {
        "iterations": MODEL_CALLS,
        "usage": {
            "prompt_tokens": completion.usage.prompt_tokens,
            "completion_tokens": completion.usage.completion_tokens,
        },
        "tool_calls_made": [name for call in calls if (name := _called(call))],
    }


def _called(call: JsonObject) -> str | None:
    function = call.get("function")
    return function.get("name") if isinstance(function, dict) else None


def text_view(content: Content) -> str:
    return content if isinstance(content, str) else ""


def reply(
    body: Mapping[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


DETAILS: dict[type[DomainError], str] = {
    SessionNotFound: "Session not found",
    Unauthenticated: "Authentication required",
    RateLimited: "Rate limit exceeded",
    ModelFailed: "Agent execution failed",
}
NAMES = {"key": "session_key", "content": "message"}


def render(error: DomainError) -> Response:
    if isinstance(error, InvalidInput | MalformedBody):
        return reply({"detail": "Validation error", "errors": problems_view(error)}, 422)
    return reply({"detail": detail_of(error)}, status_of(error), headers_of(error))


def detail_of(error: DomainError) -> str:
    if isinstance(error, SessionNotFound) and error.key.endswith("/"):
        return f"{DETAILS[SessionNotFound]}: its key would end in a slash"
    known = (detail for kind, detail in DETAILS.items() if isinstance(error, kind))
    return next(known, str(error))


def failed_event(error: DomainError) -> bytes:
    return event({"detail": detail_of(error)}, "error")


def problems_view(error: InvalidInput | MalformedBody) -> list[Problem]:
    if isinstance(error, InvalidShape):
        return [
            {
                "field": ".".join(map(str, details["loc"]))[:MAX_SHOWN_FIELD_CHARS],
                "message": details["msg"],
                "type": details["type"],
            }
            for details in error.details[:MAX_SHOWN_ERRORS]
        ]
    if isinstance(error, InvalidInput):
        field = NAMES.get(error.field, error.field)
        return [{"field": field, "message": error.problem, "type": error.code}]
    return [{"field": "body", "message": str(error), "type": error.code}]
