"""What Julep responses hold. Errors are `{"detail": …}`, but a 422 has a shape of its own.

Resources of another user are not found.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NotRequired
from uuid import UUID

import orjson
from starlette.responses import Response
from typing_extensions import TypedDict

from service.api.kit.errors import MalformedBody, headers_of, status_of
from service.domain.errors import DomainError, InvalidInput, SessionForeign, SessionNotFound
from service.domain.models import JsonObject, Session

UNPROCESSABLE = 422


class Failure(TypedDict):
    detail: str


class Invalid(TypedDict):
    status_code: Literal[422]
    message: str
    data: None


class Created(TypedDict):
    id: UUID
    created_at: datetime
    jobs: list[Any]


class Changed(TypedDict):
    id: UUID
    updated_at: datetime
    jobs: list[Any]


class Deleted(TypedDict):
    id: UUID
    deleted_at: datetime
    jobs: NotRequired[list[Any]]


class SessionView(TypedDict):
    id: UUID
    user_id: str
    agent_id: str
    situation: str | None
    summary: str | None
    created_at: datetime
    updated_at: datetime
    metadata: JsonObject | None
    render_templates: bool
    token_budget: int | None
    context_overflow: str | None


class SessionList(TypedDict):
    items: list[SessionView]


def session_view(session: Session) -> SessionView:
    return {
        "id": session.id,
        "user_id": session.user_id,
        "agent_id": session.agent_id,
        "situation": session.situation,
        "summary": session.summary,
        "created_at": session.created_at,
        "updated_at": session.last_active,
        "metadata": session.metadata,
        "render_templates": session.render_templates,
        "token_budget": session.token_budget,
        "context_overflow": session.context_overflow,
    }


def render(error: DomainError) -> Response:
    if isinstance(error, SessionNotFound | SessionForeign):
        return reply({"detail": "Session not found"}, 404)
    if isinstance(error, InvalidInput | MalformedBody):
        message = " ".join(str(error).split())
        body = {"status_code": UNPROCESSABLE, "message": message, "data": None}
        return reply(body, UNPROCESSABLE)
    return reply({"detail": str(error)}, status_of(error), headers_of(error))


def reply(
    body: Mapping[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(encoded(body), status, headers, media_type="application/json")


def encoded(body: Any) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_UTC_Z)
