"""The keyed endpoints, each with its row. Keys in URLs may hold any character, slashes included."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response

import service
from service.api.dialects.keyed.shapes import ChatBody, DeleteQuery
from service.api.dialects.keyed.views import (
    Deleted,
    DeletedMany,
    Failure,
    Health,
    KeyList,
    Line,
    Outcome,
    Reply,
    SessionView,
    Start,
    Token,
    failed_event,
    outcome_view,
    reply,
    session_view,
    text_view,
)
from service.api.kit.disconnects import while_connected
from service.api.kit.documents import StreamedDocument
from service.api.kit.endpoint import Endpoints, Event
from service.api.kit.parts import caller, chat, deadlines, keys, parts
from service.api.kit.reading import read_body, read_query
from service.api.kit.router import route_in
from service.api.kit.sse import event, event_stream
from service.domain.chat.completion import ChatRequest, Completion
from service.domain.chat.turns import checked
from service.domain.errors import SessionNotFound
from service.domain.keys import new_key
from service.domain.models import Session
from service.domain.session_key import key_text

EXPORT_SUFFIX = "/export"
MISSING = frozenset({404})
CHAT = frozenset({400, 502})

keyed = Endpoints()


@keyed("GET", "/sessions", "List the keys of the caller.", returns=KeyList)
async def list_sessions(request: Request) -> Response:
    found, count = await keys(request).list_keys(caller(request))
    return reply({"sessions": found, "count": count})


@keyed(
    "GET",
    "/sessions/{key:path}/export",
    "Export a session with its messages.",
    returns=Line | SessionView,
    refuses=MISSING,
    takes_long=True,
)
async def export_session(request: Request) -> Response:
    """Export the session named before `/export`, unless a session has the whole text as its key."""
    key = read_key(request)
    try:
        return reply(session_view(await keys(request).get(caller(request), key)))
    except SessionNotFound:
        key = key.removesuffix("/").removesuffix(EXPORT_SUFFIX)
        session = await keys(request).get(caller(request), key)
    document = keys(request).export(caller(request), session)
    return StreamedDocument(document)


@keyed("GET", "/sessions/{key:path}", "Return a session.", returns=SessionView, refuses=MISSING)
async def get_session(request: Request) -> Response:
    return reply(session_view(await keys(request).get(caller(request), read_key(request))))


@keyed(
    "DELETE",
    "/sessions/{key:path}/export",
    "Delete a session whose key ends in /export.",
    returns=Deleted,
    refuses=MISSING,
)
@keyed(
    "DELETE",
    "/sessions/{key:path}",
    "Delete a session with its messages.",
    returns=Deleted,
    refuses=MISSING,
)
async def delete_session(request: Request) -> Response:
    key = read_key(request)
    await keys(request).delete(caller(request), key)
    return reply({"deleted": True, "key": key})


@keyed(
    "DELETE",
    "/sessions",
    "Delete sessions by prefix and age.",
    returns=DeletedMany,
    query=DeleteQuery,
    takes_long=True,
)
async def delete_sessions(request: Request) -> Response:
    query = read_query(request, DeleteQuery)
    # There may be many deletes, each with a deadline of its own.
    deadlines(request).lift()
    deleted = await keys(request).delete_many(caller(request), **query.model_dump())
    return reply({"deleted": len(deleted), "keys": deleted})


@keyed(
    "POST",
    "/chat",
    "Let the model respond.",
    returns=Reply,
    body=ChatBody,
    refuses=CHAT,
    makes={"key": "/session_key"},
    takes_long=True,
)
async def reply_to_message(request: Request) -> Response:
    key, turn = await _read_turn(request)
    async with keys(request).opened(caller(request), key) as session:
        answering = chat(request).reply(caller(request), session.id, turn)
        completion = await while_connected(request, answering)
    outcome = outcome_view(completion)
    response = text_view(completion.message.content)
    key = key_text(session.id, session.key)
    return reply({"response": response, **outcome, "session_key": key})


@keyed(
    "POST",
    "/chat/stream",
    "Stream the model's response.",
    body=ChatBody,
    refuses=CHAT,
    events=(
        Event("start", Start),
        Event("token", Token),
        Event("done", Outcome),
        Event("error", Failure),
    ),
    takes_long=True,
)
async def stream_reply(request: Request) -> Response:
    key, turn = await _read_turn(request)
    session = await keys(request).open(caller(request), key or new_key())
    return await event_stream(request, _events(request, session, turn), bytes, failed_event)


async def _read_turn(request: Request) -> tuple[str | None, ChatRequest]:
    """Return the session's key and the turn, if nothing prevents creating the session."""
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


@keyed("GET", "/health", "Return version and uptime.", returns=Health)
async def detailed_health(request: Request) -> Response:
    uptime_s = round(time.monotonic() - parts(request).started_s, 1)
    return reply({"status": "ok", "version": service.__version__, "uptime_seconds": uptime_s})


def read_key(request: Request) -> str:
    """Return the whole path after `/sessions/`: keys may end in `/export`, or in a slash."""
    route = route_in(request.scope)
    path: str = request.scope["path"]
    return path.removeprefix(route.path.partition("{")[0]) if route else path
