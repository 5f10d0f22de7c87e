"""The keyed dialect: sessions are named by their keys. Errors are `{"detail": …}`.

Keys in URLs may hold any character, a slash as it is or encoded. A session without a key of
its own is called `id:` and its id. What is somebody else's is not there.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import orjson
from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

import service
from service.api.bounds import text
from service.api.context import DialectEndpoint, Handler, caller, chat, deadlines, keys
from service.api.errors import InvalidShape, MalformedBody, RateLimited, headers_of, status_of
from service.api.hangups import while_connected
from service.api.shapes import Body, Integer, Query, read_body, read_query
from service.api.streaming import event, event_stream
from service.domain.completion import ChatRequest, Completion, ModelSettings
from service.domain.errors import (
    DomainError,
    InvalidInput,
    ModelFailed,
    SessionNotFound,
    Unauthenticated,
)
from service.domain.keys import new_key
from service.domain.models import Content, JsonObject, NewMessage, Role, Session, utc_now
from service.domain.rules import MAX_ID_CHARS, MAX_KEY_CHARS
from service.domain.session_key import key_text
from service.domain.turns import checked

SESSIONS_PATH = "/api/v1/sessions/"
EXPORT_SUFFIX = "/export"
MAX_MESSAGE_CHARS = 100_000
MAX_AGE_S = 100 * 366 * 24 * 60 * 60
MAX_SHOWN_ERRORS = 20
MAX_SHOWN_FIELD_CHARS = 200
MODEL_CALLS = 1


# Shapes


class DeleteQuery(Query):
    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["prefix"]}, {"required": ["older_than_s"]}]}
    )

    prefix: (
        Annotated[str, Field(min_length=1, max_length=MAX_KEY_CHARS), text(MAX_KEY_CHARS)] | None
    ) = None
    older_than_s: Annotated[Integer, Field(ge=1, le=MAX_AGE_S)] | None = None


class ChatBody(Body):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"message": "Hello", "session_key": "user:alice:first-steps"}]
        },
    )

    message: Annotated[
        str, Field(min_length=1, max_length=MAX_MESSAGE_CHARS), text(MAX_MESSAGE_CHARS)
    ]
    session_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_:.@-]{1,128}$")] | None = None
    model: Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS)] | None = None

    def to_domain(self) -> ChatRequest:
        message = NewMessage(role=Role.USER, content=self.message)
        return ChatRequest(messages=[message], settings=ModelSettings(model=self.model))


def read_key(request: Request) -> str:
    """Return all of the path behind `/sessions/`, also what a route takes for `/export`."""
    path: str = request.scope["path"]
    return path.partition(SESSIONS_PATH)[2]


# Views


def session_view(session: Session) -> dict[str, Any]:
    age_s = (utc_now() - session.created_at).total_seconds()
    return {
        "key": key_text(session.id, session.key),
        "message_count": session.message_count,
        "created_at": session.created_at.timestamp(),
        "updated_at": session.last_active.timestamp(),
        "age_seconds": round(age_s, 1),
    }


def outcome_view(completion: Completion) -> dict[str, Any]:
    calls = completion.message.tool_calls or []
    return {
        "iterations": MODEL_CALLS,
        "usage": completion.usage.model_dump(),
        "tool_calls_made": [name for call in calls if (name := _called(call))],
    }


def _called(call: JsonObject) -> str | None:
    function = call.get("function")
    return function.get("name") if isinstance(function, dict) else None


def text_view(content: Content) -> str:
    return content if isinstance(content, str) else ""


def reply(
    body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


# Errors

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
    known = (detail for kind, detail in DETAILS.items() if isinstance(error, kind))
    return next(known, str(error))


def failed_event(error: DomainError) -> bytes:
    return event({"detail": detail_of(error)}, "error")


def problems_view(error: InvalidInput | MalformedBody) -> list[dict[str, str]]:
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


def keyed(handler: Handler) -> Handler:
    """Make an endpoint of this dialect."""
    return DialectEndpoint(handler, render)


# Endpoints


@keyed
async def list_sessions(request: Request) -> Response:
    found, count = await keys(request).list_keys(caller(request))
    return reply({"sessions": found, "count": count})


@keyed
async def get_session(request: Request) -> Response:
    return reply(session_view(await keys(request).get(caller(request), read_key(request))))


@keyed
async def export_session(request: Request) -> Response:
    """Export the session before `/export`, unless a session has the whole of it as its key."""
    key = read_key(request)
    try:
        return reply(session_view(await keys(request).get(caller(request), key)))
    except SessionNotFound:
        key = key.removesuffix(EXPORT_SUFFIX)
        session = await keys(request).get(caller(request), key)
    document = keys(request).export(caller(request), session)
    return StreamingResponse(document, media_type="application/json")


@keyed
async def delete_session(request: Request) -> Response:
    key = read_key(request)
    await keys(request).delete(caller(request), key)
    return reply({"deleted": True, "key": key})


@keyed
async def delete_sessions(request: Request) -> Response:
    query = read_query(request, DeleteQuery)
    # Each of many deletes has a deadline.
    deadlines(request).lift()
    deleted = await keys(request).delete_many(caller(request), **query.model_dump())
    return reply({"deleted": len(deleted), "keys": deleted})


@keyed
async def reply_to_message(request: Request) -> Response:
    key, turn = await _read_turn(request)
    async with keys(request).opened(caller(request), key) as session:
        answering = chat(request).reply(caller(request), session.id, turn)
        completion = await while_connected(request, answering)
    outcome = outcome_view(completion)
    response = text_view(completion.message.content)
    key = key_text(session.id, session.key)
    return reply({"response": response, **outcome, "session_key": key})


@keyed
async def stream_reply(request: Request) -> Response:
    key, turn = await _read_turn(request)
    session = await keys(request).open(caller(request), key or new_key())
    return await event_stream(request, _events(request, session, turn), bytes, failed_event)


async def _read_turn(request: Request) -> tuple[str | None, ChatRequest]:
    """Return the session's key and the turn, when nothing speaks against making the session."""
    body = await read_body(request, ChatBody)
    turn = checked(body.to_domain())
    chat(request).require_model()
    return body.session_key, turn


async def _events(
    request: Request, session: Session, turn: ChatRequest
) -> AsyncGenerator[bytes, None]:
    yield event({"session_key": key_text(session.id, session.key)}, "start")
    stream = chat(request).stream(caller(request), session.id, turn)
    async with aclosing(stream) as pieces:
        async for piece in pieces:
            if isinstance(piece, str):
                yield event({"text": piece}, "token")
            elif isinstance(piece, Completion):
                yield event(outcome_view(piece), "done")


async def health(_: Request) -> Response:
    return reply({"status": "ok"})


@keyed
async def detailed_health(request: Request) -> Response:
    uptime_s = round(time.monotonic() - request.app.state.started_s, 1)
    return reply({"status": "ok", "version": service.__version__, "uptime_seconds": uptime_s})
