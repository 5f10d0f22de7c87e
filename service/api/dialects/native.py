"""The native dialect: shapes, views, endpoints. `message` and `data`, or `message` and `error`."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import orjson
from pydantic import BeforeValidator, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from service.api.bounds import (
    SPEAKS_OR_CALLS,
    Id,
    Key,
    MessageContent,
    Metadata,
    Name,
    SpokenContent,
    Title,
    ToolCalls,
    examples,
)
from service.api.context import DialectEndpoint, Handler, caller, chat, sessions, windows
from service.api.errors import headers_of, status_of
from service.api.hangups import while_connected
from service.api.shapes import Body, Integer, Query, read_body, read_query, read_session_id
from service.api.streaming import event, event_stream
from service.domain.completion import ChatRequest, Completion, Delta, ToolCallDelta
from service.domain.errors import DomainError, InvalidInput
from service.domain.models import (
    DEFAULT_CONTEXT_RESULTS,
    Content,
    JsonObject,
    ListPage,
    Message,
    NewMessage,
    NewSession,
    Role,
    Session,
    SortBy,
)
from service.domain.rules import MAX_CONTEXT_RESULTS
from service.domain.window import Window

MAX_SKIP = 2**31 - 1
Skip = Annotated[Integer, Field(ge=0, le=MAX_SKIP)]
Included = Literal["seq", "id", "created_at"]
ANSWERED = "Chat reply generated successfully."
CHAT_FAILED = "Failed to chat."
MAX_KEPT_TIMES = 10_000
MESSAGE_EXAMPLES = [
    {"role": "user", "content": "What is the capital of France?"},
    {"role": "assistant", "content": "Paris", "metadata": {"model": "demo"}, "id": "answer-1"},
]


# Shapes


class CreateQuery(Query):
    agent_id: Id
    max_context_results: Annotated[Integer, Field(ge=1, le=MAX_CONTEXT_RESULTS)] = (
        DEFAULT_CONTEXT_RESULTS
    )
    title: Title | None = None
    key: Key | None = None
    user_id: Id | None = None

    def to_domain(self) -> NewSession:
        return NewSession(**self.model_dump())


def _as_list(text: str) -> list[str]:
    return text.split(",") if text else []


class HistoryQuery(Query):
    limit: Annotated[Integer, Field(ge=1, le=1000)] = 20
    skip: Skip = 0
    include: Annotated[frozenset[Included], BeforeValidator(_as_list)] = frozenset()

    def window(self, *, newest: bool) -> Window:
        return Window(limit=self.limit, skip=self.skip, newest=newest)


def _as_direction(text: object) -> object:
    return {"1": 1, "-1": -1}.get(str(text), text)


class ListQuery(Query):
    limit: Annotated[Integer, Field(ge=1, le=100)] = 20
    skip: Skip = 0
    sort_by: SortBy = SortBy.CREATED_AT
    sort_order: Annotated[Literal[-1, 1], BeforeValidator(_as_direction)] = -1

    def to_domain(self) -> ListPage:
        return ListPage(
            limit=self.limit,
            skip=self.skip,
            sort_by=self.sort_by,
            descending=self.sort_order == -1,
        )


def _as_content(value: object) -> object:
    is_parts = isinstance(value, list) and all(isinstance(part, dict) for part in value)
    if value is None or isinstance(value, str) or is_parts:
        return value
    raise ValueError("must be text, a list of objects, or null")


class MessageBody(Body):
    model_config = ConfigDict(json_schema_extra=SPEAKS_OR_CALLS | {"examples": MESSAGE_EXAMPLES})

    role: Role
    content: Annotated[MessageContent, BeforeValidator(_as_content)] = None
    name: Name | None = None
    tool_calls: Annotated[list[JsonObject] | None, ToolCalls] = None
    tool_call_id: Name | None = None
    metadata: Metadata | None = None
    id: Key | None = None

    def to_domain(self, idempotency_key: str | None) -> NewMessage:
        fields = self.model_dump(exclude={"id"})
        return NewMessage(
            **fields, client_key=self.id if idempotency_key is None else idempotency_key
        )


class ChatBody(Body):
    model_config = examples({"content": "What is the capital of France?", "stream": False})

    content: Annotated[Content, SpokenContent]
    stream: bool | None = None

    def to_domain(self, idempotency_key: str | None) -> ChatRequest:
        message = NewMessage(role=Role.USER, content=self.content)
        return ChatRequest(messages=[message], idempotency_key=idempotency_key)


# Views


def message_view(message: Message, include: frozenset[Included]) -> dict[str, Any]:
    """Show what was sent, and of the service's own fields those that were asked for."""
    view: dict[str, Any] = {"role": message.role, "content": message.content}
    for field in ("name", "tool_calls", "tool_call_id", "metadata"):
        value = getattr(message, field)
        if value is not None:
            view[field] = value
    own = {"seq": message.seq, "id": message.id, "created_at": time_view(message.created_at)}
    return view | {field: own[field] for field in own if field in include}


def piece_view(piece: Delta | Completion) -> bytes:
    if isinstance(piece, Completion):
        return event({"message": ANSWERED, "data": message_view(piece.message, frozenset())})
    if isinstance(piece, ToolCallDelta):
        return event({"tool_call": piece.model_dump(exclude_none=True)})
    return event({"content": piece})


def session_view(session: Session) -> dict[str, Any]:
    preview = session.preview
    view = {
        "session_id": session.id,
        "agent_id": session.agent_id,
        "user_id": session.user_id,
        "created_at": time_view(session.created_at),
        "last_active": time_view(session.last_active),
        "message_count": session.message_count,
        "max_context_results": session.max_context_results,
        "title": session.title,
        "key": session.key,
        "preview": preview and {"role": preview.role, "text": preview.text},
    }
    return {field: value for field, value in view.items() if value is not None}


@lru_cache(MAX_KEPT_TIMES)
def time_view(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reply(
    message: str, status: int = 200, headers: dict[str, str] | None = None, **rest: Any
) -> Response:
    body = orjson.dumps({"message": message, **rest})
    return Response(body, status, headers, media_type="application/json")


# Endpoints


def native(failure: str) -> Callable[[Handler], Handler]:
    """Make an endpoint of this dialect, whose errors begin with this message."""

    def render(error: DomainError) -> Response:
        return reply(failure, status_of(error), headers_of(error), error=str(error))

    return lambda handler: DialectEndpoint(handler, render)


@native("Failed to create session.")
async def create(request: Request) -> Response:
    new = read_query(request, CreateQuery).to_domain()
    session = await sessions(request).create(caller(request), new)
    return reply("Chat session created successfully.", session_id=session.id)


@native("Failed to delete session.")
async def delete(request: Request) -> Response:
    await sessions(request).delete(caller(request), read_session_id(request))
    return reply("Chat session deleted successfully.")


@native("Failed to retrieve session history.")
async def history(request: Request) -> Response:
    _, data = await _read(request, newest=False)
    return reply("Session history retrieved successfully.", data=data)


@native("Failed to retrieve recent history.")
async def recent_history(request: Request) -> Response:
    _, data = await _read(request, newest=True)
    return reply("Recent session history retrieved successfully.", data=data)


@native("Failed to update session history.")
async def update_history(request: Request) -> Response:
    session_id = read_session_id(request)
    message = (await read_body(request, MessageBody)).to_domain(_idempotency_key(request))
    await sessions(request).append(caller(request), session_id, [message])
    return reply("Session history updated successfully.")


@native("Failed to retrieve user sessions.")
async def list_by_user(request: Request) -> Response:
    page = read_query(request, ListQuery).to_domain()
    user_id = request.path_params["user_id"]
    found = await sessions(request).list_by_user(caller(request), user_id, page)
    return reply("User sessions retrieved successfully.", data=[session_view(s) for s in found])


@native("Failed to retrieve agent sessions.")
async def list_by_agent(request: Request) -> Response:
    page = read_query(request, ListQuery).to_domain()
    agent_id = request.path_params["agent_id"]
    found = await sessions(request).list_by_agent(caller(request), agent_id, page)
    return reply("Agent sessions retrieved successfully.", data=[session_view(s) for s in found])


@native("Failed to retrieve session details.")
async def details(request: Request) -> Response:
    session, messages = await _read(request, newest=True)
    data = {**session_view(session), "history": messages}
    return reply("Session details retrieved successfully.", data=data)


@native(CHAT_FAILED)
async def converse(request: Request) -> Response:
    session_id = read_session_id(request)
    body = await read_body(request, ChatBody)
    turn = body.to_domain(_idempotency_key(request))
    if body.stream:
        pieces = chat(request).stream(caller(request), session_id, turn)
        return await event_stream(request, pieces, piece_view, _failed_event)
    answering = chat(request).reply(caller(request), session_id, turn)
    completion = await while_connected(request, answering)
    return reply(ANSWERED, data=message_view(completion.message, frozenset()))


def _failed_event(error: DomainError) -> bytes:
    return event({"message": CHAT_FAILED, "error": str(error)}, "error")


async def _read(request: Request, *, newest: bool) -> tuple[Session, orjson.Fragment]:
    query = read_query(request, HistoryQuery)

    def encode(messages: list[Message]) -> bytes:
        return orjson.dumps([message_view(message, query.include) for message in messages])

    session, data = await windows(request).read(
        caller(request),
        read_session_id(request),
        query.window(newest=newest),
        kind=("native", query.include),
        encode=encode,
    )
    return session, orjson.Fragment(data)


def _idempotency_key(request: Request) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise InvalidInput("Idempotency-Key", "must be given only once.")
    return keys[0] if keys else None
