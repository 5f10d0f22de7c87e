"""What PySpur responses hold. Errors are `{"detail": …}`, as in FastAPI.

Resources of another user are not found.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NotRequired, cast
from uuid import UUID

import orjson
from pydantic_core import to_json
from starlette.responses import Response
from typing_extensions import TypedDict

from service.api.kit.endpoint import Render
from service.api.kit.errors import InvalidShape, MalformedBody, headers_of, status_of
from service.domain.errors import (
    DomainError,
    InvalidInput,
    SessionForeign,
    SessionNotFound,
    UserNotFound,
)
from service.domain.models import Content, JsonObject, Message, Role, Session, User

MAX_INPUT_CHARS = 200


class Problem(TypedDict):
    """What is wrong, where, and what was sent there."""

    type: str
    loc: Sequence[str | int]
    msg: str
    input: Any


class Failure(TypedDict):
    detail: str | list[Problem]


class ContentView(TypedDict):
    """A message with all the fields it came with, also those that are not listed here."""

    role: Role
    content: Content
    reasoning_content: NotRequired[str]
    name: NotRequired[str]
    tool_calls: NotRequired[list[JsonObject]]
    tool_call_id: NotRequired[str]


class MessageView(TypedDict):
    id: UUID
    session_id: UUID
    run_id: None
    content: ContentView
    created_at: datetime
    updated_at: datetime


class SessionView(TypedDict):
    id: UUID
    user_id: str
    workflow_id: str
    external_id: str | None
    created_at: datetime
    updated_at: datetime
    messages: list[MessageView]


class SessionList(TypedDict):
    sessions: list[SessionView]
    total: int


class UserView(TypedDict):
    id: str
    external_id: str
    user_metadata: JsonObject | None
    created_at: datetime
    updated_at: datetime


class UserList(TypedDict):
    users: list[UserView]
    total: int


def session_view(session: Session, messages: list[Message]) -> SessionView:
    return {
        "id": session.id,
        "user_id": session.user_id,
        "workflow_id": session.agent_id,
        "external_id": session.key,
        "created_at": session.created_at,
        "updated_at": session.last_active,
        "messages": [message_view(session, message) for message in messages],
    }


def message_view(session: Session, message: Message) -> MessageView:
    return {
        "id": message.id,
        "session_id": session.id,
        "run_id": None,
        "content": content_view(message),
        "created_at": message.created_at,
        "updated_at": message.created_at,
    }


def content_view(message: Message) -> ContentView:
    return cast("ContentView", message.said())


def user_view(user: User) -> UserView:
    return {
        "id": user.id,
        "external_id": user.id,
        "user_metadata": user.metadata,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    }


def input_view(value: object) -> object:
    """Return what was sent, or, if that is long, its beginning as text."""
    text = to_json(value).decode()
    return value if len(text) <= MAX_INPUT_CHARS else f"{text[:MAX_INPUT_CHARS]}…"


def reply(body: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), media_type="application/json")


NOT_FOUND: Mapping[type[DomainError], str] = {
    SessionNotFound: "Session not found",
    SessionForeign: "Session not found",
    UserNotFound: "User not found",
}
SESSION_NAMES = {"agent_id": "workflow_id", "key": "external_id"}
USER_NAMES = {"user_id": "external_id", "metadata": "user_metadata"}


def render(place: str, names: Mapping[str, str] = SESSION_NAMES) -> Render:
    """Return the function that makes the error responses of an endpoint.

    The endpoint takes its input from the "body" or the "query". `names` says what the dialect
    calls the fields that errors of the domain name.
    """

    def response(error: DomainError) -> Response:
        if type(error) in NOT_FOUND:
            return error_response(error, 404, NOT_FOUND[type(error)])
        if isinstance(error, InvalidInput | MalformedBody):
            return error_response(error, 422, problems(error, place, names))
        return error_response(error, status_of(error), str(error))

    return response


def error_response(error: DomainError, status: int, detail: object) -> Response:
    # orjson refuses integers beyond 64 bits; `detail` may show one that was sent.
    body = to_json({"detail": detail}, inf_nan_mode="null")
    return Response(body, status, headers_of(error), media_type="application/json")


def problems(
    error: InvalidInput | MalformedBody, place: str, names: Mapping[str, str]
) -> list[Problem]:
    """Return everything that is wrong; `input` is null for what the domain found."""
    if isinstance(error, InvalidShape):
        return [
            {
                "type": details["type"],
                "loc": [error.place, *details["loc"]],
                "msg": details["msg"],
                "input": input_view(details["input"]),
            }
            for details in error.details
        ]
    if isinstance(error, InvalidInput):
        loc, problem = [place, names.get(error.field, error.field)], error.problem
    else:
        loc, problem = [place], str(error)
    return [{"type": error.code, "loc": loc, "msg": problem, "input": None}]
