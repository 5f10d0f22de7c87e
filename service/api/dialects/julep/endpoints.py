"""The Julep endpoints for sessions, histories and tools (its v0.3), each with its row.

Its `updated_at` is our `last_active`.
"""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from service.api.dialects.julep.messages import MessageBody, MessageList, MessageView, message_view
from service.api.dialects.julep.shapes import (
    PageQuery,
    SessionBody,
    SessionsQuery,
    SettingsBody,
    session_id,
)
from service.api.dialects.julep.tools import ToolList, tools_view
from service.api.dialects.julep.views import (
    Changed,
    Created,
    Deleted,
    SessionList,
    SessionView,
    encoded,
    reply,
    session_view,
)
from service.api.kit.endpoint import Endpoints
from service.api.kit.parts import caller, sessions, windows
from service.api.kit.reading import read_body, read_query
from service.domain.chat.tool_results import with_call_ids
from service.domain.models import JsonObject, Message, Session, utc_now
from service.domain.window import Window

MISSING = frozenset({404})

julep = Endpoints()


@julep(
    "POST",
    "",
    "Create a session.",
    status=201,
    returns=Created,
    body=SessionBody,
    refuses=frozenset({403}),
    makes={"session_id": "/id"},
)
async def create_session(request: Request) -> Response:
    new = (await read_body(request, SessionBody)).to_domain()
    session = await sessions(request).create(caller(request), new)
    return reply({"id": session.id, "created_at": session.created_at, "jobs": []}, 201)


@julep(
    "GET",
    "",
    "List sessions by metadata.",
    returns=SessionList,
    query=SessionsQuery,
    refuses=frozenset({400}),
)
async def list_sessions(request: Request) -> Response:
    query = read_query(request, SessionsQuery)
    found = await sessions(request).select(caller(request), query.page(), query.selection())
    return reply({"items": [session_view(session) for session in found]})


@julep(
    "GET",
    "/{session_id:uuid}",
    "Return a session.",
    returns=SessionView,
    refuses=MISSING,
)
async def get_session(request: Request) -> Response:
    return reply(session_view(await sessions(request).get(caller(request), session_id(request))))


@julep(
    "PUT",
    "/{session_id:uuid}",
    "Replace settings of a session.",
    returns=Changed,
    body=SettingsBody,
    refuses=MISSING,
)
async def replace_settings(request: Request) -> Response:
    given = (await read_body(request, SettingsBody)).given()
    return await _update(request, given)


@julep(
    "PATCH",
    "/{session_id:uuid}",
    "Change settings of a session.",
    returns=Changed,
    body=SettingsBody,
    refuses=MISSING,
)
async def merge_settings(request: Request) -> Response:
    given = (await read_body(request, SettingsBody)).given()
    return await _update(request, given, merges=given.pop("metadata", {}))


@julep(
    "DELETE",
    "/{session_id:uuid}",
    "Delete a session with its messages.",
    status=202,
    returns=Deleted,
    refuses=MISSING,
)
async def delete_session(request: Request) -> Response:
    await sessions(request).delete(caller(request), session_id(request))
    return reply({"id": session_id(request), "deleted_at": utc_now(), "jobs": []}, 202)


@julep(
    "GET",
    "/{session_id:uuid}/history",
    "List messages, oldest first.",
    returns=MessageList,
    query=PageQuery,
    refuses=MISSING,
)
@julep(
    "GET",
    "/{session_id:uuid}/messages",
    "List messages, oldest first.",
    returns=MessageList,
    query=PageQuery,
    refuses=MISSING,
)
async def get_history(request: Request) -> Response:
    query = read_query(request, PageQuery)
    _, items = await windows(request).read(
        caller(request),
        session_id(request),
        Window(limit=query.limit, skip=query.offset),
        kind="julep",
        encode=encoded_messages,
    )
    return reply({"items": orjson.Fragment(items)})


@julep(
    "DELETE",
    "/{session_id:uuid}/history",
    "Empty a session.",
    status=202,
    returns=Deleted,
    refuses=MISSING,
)
async def delete_history(request: Request) -> Response:
    session = await sessions(request).clear(caller(request), session_id(request))
    return reply({"id": session.id, "deleted_at": session.last_active}, 202)


@julep(
    "POST",
    "/{session_id:uuid}/messages",
    "Append a message.",
    status=201,
    returns=MessageView,
    body=MessageBody,
    refuses=MISSING,
)
async def add_message(request: Request) -> Response:
    message = (await read_body(request, MessageBody)).to_domain()
    found = sessions(request), caller(request), session_id(request)
    messages = await with_call_ids(*found, [message])
    [stored] = await sessions(request).append(caller(request), session_id(request), messages)
    return reply(message_view(stored), 201)


@julep(
    "GET",
    "/{session_id:uuid}/tools",
    "List the tools of a session.",
    returns=ToolList,
    refuses=MISSING,
)
async def list_tools(request: Request) -> Response:
    session = await sessions(request).get(caller(request), session_id(request))
    return reply({"items": tools_view(session)})


async def _update(
    request: Request, replaces: dict[str, Any], merges: JsonObject | None = None
) -> Response:
    def change(session: Session) -> Session:
        merged = {"metadata": {**(session.metadata or {}), **merges}} if merges else {}
        return session.model_copy(update={**replaces, **merged})

    session = await sessions(request).update(caller(request), session_id(request), change)
    return reply({"id": session.id, "updated_at": session.last_active, "jobs": []})


def encoded_messages(messages: list[Message]) -> bytes:
    return encoded(list(map(message_view, messages)))
