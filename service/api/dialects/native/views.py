"""What native responses hold: each view, and next to it the function that makes it."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, NotRequired, cast
from uuid import UUID

import orjson
from starlette.responses import Response
from typing_extensions import TypedDict

from service.api.dialects.native.shapes import Included
from service.api.kit.bounds import Time
from service.api.kit.dialect import Refusal
from service.api.kit.errors import headers_of, status_of
from service.api.kit.sse import event
from service.domain.chat.completion import Completion, Delta, ReasoningDelta, ToolCallDelta
from service.domain.errors import DomainError
from service.domain.models import Content, JsonObject, Message, Role, Session

REPLIED = "Chat reply generated successfully."
CHAT_FAILED = "Failed to chat."
MAX_KEPT_TIMES = 10_000


class Failure(TypedDict):
    message: str
    error: str
    code: str


class Done(TypedDict):
    message: str


class Created(TypedDict):
    message: str
    session_id: UUID


class MessageView(TypedDict):
    """A message with all the fields it came with, also those that are not listed here.

    It has `seq`, `id` and `created_at` only if `include` names them.
    """

    role: Role
    content: Content
    reasoning_content: NotRequired[str]
    name: NotRequired[str]
    tool_calls: NotRequired[list[JsonObject]]
    tool_call_id: NotRequired[str]
    metadata: NotRequired[JsonObject]
    seq: NotRequired[int]
    id: NotRequired[UUID]
    created_at: NotRequired[Time]


class PreviewView(TypedDict):
    role: Role
    text: str


class SessionView(TypedDict):
    session_id: UUID
    agent_id: str
    user_id: str
    created_at: Time
    last_active: Time
    message_count: int
    max_context_results: int
    title: NotRequired[str]
    key: NotRequired[str]
    metadata: NotRequired[JsonObject]
    preview: NotRequired[PreviewView]


class DetailsView(SessionView):
    history: list[MessageView]


class History(TypedDict):
    message: str
    data: list[MessageView]


class Updated(TypedDict):
    message: str
    data: SessionView


class SessionList(TypedDict):
    message: str
    data: list[SessionView]


class Place(TypedDict):
    """Where a message stands, and its id."""

    seq: int
    id: UUID


class Appended(TypedDict):
    message: str
    data: list[Place]


class Details(TypedDict):
    message: str
    data: DetailsView


class Reply(TypedDict):
    message: str
    data: MessageView


class TextPiece(TypedDict):
    content: str


class ReasoningPiece(TypedDict):
    """A piece of what the model thinks, apart from what it says."""

    reasoning: str


class ToolCallPiece(TypedDict):
    tool_call: JsonObject


def message_view(message: Message, include: frozenset[Included]) -> MessageView:
    """Return what was sent, and those of the service's own fields that `include` names."""
    view = cast("MessageView", message.said())
    if message.metadata is not None:
        view["metadata"] = message.metadata
    if "seq" in include:
        view["seq"] = message.seq
    if "id" in include:
        view["id"] = message.id
    if "created_at" in include:
        view["created_at"] = time_view(message.created_at)
    return view


def piece_view(piece: Delta | Completion) -> bytes:
    if isinstance(piece, Completion):
        return event(Reply(message=REPLIED, data=message_view(piece.message, frozenset())))
    if isinstance(piece, ReasoningDelta):
        return event(ReasoningPiece(reasoning=piece.text))
    if isinstance(piece, ToolCallDelta):
        return event(ToolCallPiece(tool_call=piece.model_dump(exclude_none=True)))
    return event(TextPiece(content=piece))


def session_view(session: Session) -> SessionView:
    view: SessionView = {
        "session_id": session.id,
        "agent_id": session.agent_id,
        "user_id": session.user_id,
        "created_at": time_view(session.created_at),
        "last_active": time_view(session.last_active),
        "message_count": session.message_count,
        "max_context_results": session.max_context_results,
    }
    if session.title is not None:
        view["title"] = session.title
    if session.key is not None:
        view["key"] = session.key
    if session.metadata is not None:
        view["metadata"] = session.metadata
    if session.preview is not None:
        view["preview"] = {"role": session.preview.role, "text": session.preview.text}
    return view


@lru_cache(MAX_KEPT_TIMES)
def time_view(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reply(
    message: str, status: int = 200, headers: dict[str, str] | None = None, **rest: Any
) -> Response:
    body = orjson.dumps({"message": message, **rest})
    return Response(body, status, headers, media_type="application/json")


def render(failure: str) -> Callable[[DomainError], Response]:
    """Return the function that makes error responses with this `message`."""

    def response(error: DomainError) -> Response:
        view = Failure(message=failure, error=str(error), code=error.code)
        return Response(
            orjson.dumps(view), status_of(error), headers_of(error), media_type="application/json"
        )

    return response


def refusal_view(refusal: Refusal) -> dict[str, Any]:
    return {"message": refusal.status.phrase, "error": refusal.advice, "code": refusal.code}


def failed_event(error: DomainError) -> bytes:
    return event(Failure(message=CHAT_FAILED, error=str(error), code=error.code), "error")
