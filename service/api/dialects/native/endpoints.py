"""The native endpoints, each with its row."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from service.api.dialects.native.shapes import (
    MAX_APPEND_KEY_CHARS,
    AppendBody,
    ChatBody,
    CreateQuery,
    HistoryQuery,
    Included,
    ListQuery,
    LogQuery,
    MessageBody,
    UpdateBody,
)
from service.api.dialects.native.views import (
    CHAT_FAILED,
    REPLIED,
    Appended,
    Created,
    Details,
    Done,
    Failure,
    History,
    Place,
    ReasoningPiece,
    Reply,
    SessionList,
    TextPiece,
    ToolCallPiece,
    Updated,
    failed_event,
    message_view,
    piece_view,
    render,
    reply,
    session_view,
)
from service.api.kit.disconnects import while_connected
from service.api.kit.endpoint import Endpoints, Event
from service.api.kit.parts import caller, chat, sessions, windows
from service.api.kit.reading import read_body, read_query, read_session_id
from service.api.kit.sse import event_stream
from service.domain.chat.turns import MAX_TURN_KEY_CHARS
from service.domain.errors import InvalidInput
from service.domain.models import Message, Session
from service.domain.rules import MAX_KEY_CHARS
from service.domain.window import Window

# Only the native dialect says that a session belongs to another user (decision 0005).
SESSION = frozenset({403, 404})

native = Endpoints()


@native(
    "POST",
    "/create",
    "Create a session.",
    returns=Created,
    query=CreateQuery,
    refuses=frozenset({403, 409}),
    makes={"session_id": "/session_id"},
    render_error=render("Failed to create session."),
)
async def create(request: Request) -> Response:
    new = read_query(request, CreateQuery).to_domain()
    session = await sessions(request).create(caller(request), new)
    return reply("Chat session created successfully.", session_id=session.id)


@native(
    "PATCH",
    "/update/{session_id}",
    "Change the title, the metadata or the settings of a session.",
    returns=Updated,
    body=UpdateBody,
    refuses=SESSION,
    render_error=render("Failed to update session."),
)
async def update(request: Request) -> Response:
    session_id = read_session_id(request)
    changes = (await read_body(request, UpdateBody)).changes()
    session = await sessions(request).update(
        caller(request), session_id, lambda session: session.model_copy(update=changes)
    )
    return reply("Chat session updated successfully.", data=session_view(session))


@native(
    "DELETE",
    "/delete/{session_id}",
    "Delete a session with its messages.",
    returns=Done,
    refuses=SESSION,
    render_error=render("Failed to delete session."),
)
async def delete(request: Request) -> Response:
    await sessions(request).delete(caller(request), read_session_id(request))
    return reply("Chat session deleted successfully.")


@native(
    "GET",
    "/history/{session_id}",
    "List messages, oldest first; pages by `after_seq` or `before_seq` never shift.",
    returns=History,
    query=LogQuery,
    refuses=SESSION,
    render_error=render("Failed to retrieve session history."),
)
async def history(request: Request) -> Response:
    query = read_query(request, LogQuery)
    window = query.window()
    _, data = await _read(request, window, query.include, newest_first=window.newest)
    return reply("Session history retrieved successfully.", data=data)


@native(
    "GET",
    "/history/recent/{session_id}",
    "List the newest messages, oldest first.",
    returns=History,
    query=HistoryQuery,
    refuses=SESSION,
    render_error=render("Failed to retrieve recent history."),
)
async def recent_history(request: Request) -> Response:
    query = read_query(request, HistoryQuery)
    _, data = await _read(request, query.newest(), query.include)
    return reply("Recent session history retrieved successfully.", data=data)


@native(
    "POST",
    "/history/update/{session_id}",
    "Append a message.",
    returns=Done,
    body=MessageBody,
    refuses=SESSION | {409},
    max_idempotency_key_chars=MAX_KEY_CHARS,
    render_error=render("Failed to update session history."),
)
async def update_history(request: Request) -> Response:
    session_id = read_session_id(request)
    message = (await read_body(request, MessageBody)).to_domain(_idempotency_key(request))
    await sessions(request).append(caller(request), session_id, [message])
    return reply("Session history updated successfully.")


@native(
    "POST",
    "/history/append/{session_id}",
    "Append messages, all or none; with `if_end` only where the log ends there.",
    returns=Appended,
    body=AppendBody,
    refuses=SESSION | {409},
    max_idempotency_key_chars=MAX_APPEND_KEY_CHARS,
    render_error=render("Failed to update session history."),
)
async def append_history(request: Request) -> Response:
    session_id = read_session_id(request)
    body = await read_body(request, AppendBody)
    stored = await sessions(request).append(
        caller(request), session_id, body.to_domain(_idempotency_key(request)), if_end=body.if_end
    )
    places = [Place(seq=message.seq, id=message.id) for message in stored]
    return reply("Session history updated successfully.", data=places)


@native(
    "GET",
    "/get_all",
    "List the caller's own sessions.",
    returns=SessionList,
    query=ListQuery,
    render_error=render("Failed to retrieve user sessions."),
)
@native(
    "GET",
    "/get_all/{user_id:path}",
    "List the sessions of a user.",
    returns=SessionList,
    query=ListQuery,
    refuses=frozenset({403}),
    render_error=render("Failed to retrieve user sessions."),
)
async def list_by_user(request: Request) -> Response:
    page = read_query(request, ListQuery).to_domain()
    user_id = request.path_params.get("user_id", caller(request).user_id)
    found = await sessions(request).list_by_user(caller(request), user_id, page)
    return reply("User sessions retrieved successfully.", data=[session_view(s) for s in found])


@native(
    "GET",
    "/get_by_agent/{agent_id:path}",
    "List the sessions with an agent.",
    returns=SessionList,
    query=ListQuery,
    render_error=render("Failed to retrieve agent sessions."),
)
async def list_by_agent(request: Request) -> Response:
    page = read_query(request, ListQuery).to_domain()
    agent_id = request.path_params["agent_id"]
    found = await sessions(request).list_by_agent(caller(request), agent_id, page)
    return reply("Agent sessions retrieved successfully.", data=[session_view(s) for s in found])


@native(
    "GET",
    "/get/{session_id}",
    "Return a session with its newest messages.",
    returns=Details,
    query=HistoryQuery,
    refuses=SESSION,
    render_error=render("Failed to retrieve session details."),
)
async def details(request: Request) -> Response:
    query = read_query(request, HistoryQuery)
    session, messages = await _read(request, query.newest(), query.include)
    data = {**session_view(session), "history": messages}
    return reply("Session details retrieved successfully.", data=data)


@native(
    "POST",
    "/chat/{session_id}",
    "Let the model respond; streamed if `stream` is true.",
    returns=Reply,
    body=ChatBody,
    refuses=SESSION | {400, 409, 502},
    max_idempotency_key_chars=MAX_TURN_KEY_CHARS,
    events=(
        Event("message", TextPiece),
        Event("message", ReasoningPiece),
        Event("message", ToolCallPiece),
        Event("message", Reply),
        Event("error", Failure),
    ),
    takes_long=True,
    render_error=render(CHAT_FAILED),
)
async def converse(request: Request) -> Response:
    session_id = read_session_id(request)
    body = await read_body(request, ChatBody)
    turn = body.to_domain(_idempotency_key(request))
    if body.stream:
        pieces = chat(request).stream(caller(request), session_id, turn)
        return await event_stream(request, pieces, piece_view, failed_event)
    answering = chat(request).reply(caller(request), session_id, turn)
    completion = await while_connected(request, answering)
    return reply(REPLIED, data=message_view(completion.message, frozenset()))


async def _read(
    request: Request, window: Window, include: frozenset[Included], *, newest_first: bool = False
) -> tuple[Session, orjson.Fragment]:
    def encode(messages: list[Message]) -> bytes:
        shown = reversed(messages) if newest_first else messages
        return orjson.dumps([message_view(message, include) for message in shown])

    session, data = await windows(request).read(
        caller(request),
        read_session_id(request),
        window,
        kind=("native", include, newest_first),
        encode=encode,
    )
    return session, orjson.Fragment(data)


def _idempotency_key(request: Request) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise InvalidInput("Idempotency-Key", "must be given only once.")
    return keys[0] if keys else None
