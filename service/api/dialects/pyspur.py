"""The PySpur dialect: shapes, views, endpoints. Errors are `{"detail": …}`, as FastAPI shows them.

Its `workflow_id` is our agent, its `external_id` our key. What is somebody else's is not there.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import orjson
from pydantic import Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from service.api.bounds import Id, Key, Metadata, examples, text
from service.api.context import DialectEndpoint, Handler, caller, deadlines, sessions, users
from service.api.errors import InvalidShape, MalformedBody, headers_of, status_of
from service.api.shapes import Body, Integer, Query, read_body, read_query, read_session_id
from service.domain.errors import (
    DomainError,
    Forbidden,
    InvalidInput,
    SessionForeign,
    SessionNotFound,
    UserNotFound,
)
from service.domain.models import (
    ListPage,
    Message,
    NewSession,
    Selection,
    Session,
    User,
)
from service.domain.rules import MAX_ID_CHARS
from service.domain.window import Window

MAX_SKIP = 2**31 - 1
MAX_MESSAGES = 10_000
MESSAGES_PER_READ = 1000
MESSAGES_IN_LISTS = 20
MAX_INPUT_CHARS = 200


# Shapes


class SessionBody(Body):
    model_config = examples(
        {"user_id": "alice", "workflow_id": "agent123", "external_id": "1732176000.000100"}
    )

    user_id: Id
    workflow_id: Id
    external_id: Key | None = None

    def to_domain(self) -> NewSession:
        return NewSession(user_id=self.user_id, agent_id=self.workflow_id, key=self.external_id)


class TestSessionQuery(Query):
    workflow_id: Id


class PageQuery(Query):
    skip: Annotated[Integer, Field(ge=0, le=MAX_SKIP)] = 0
    limit: Annotated[Integer, Field(ge=1, le=100)] = 10


class SessionsQuery(PageQuery):
    user_id: Annotated[str, Field(min_length=1), text(MAX_ID_CHARS)] | None = None


class UserBody(Body):
    model_config = examples({"external_id": "alice", "user_metadata": {"team": "sales"}})

    external_id: Id
    user_metadata: Metadata | None = None


class UserChangeBody(Body):
    model_config = examples({"user_metadata": {"team": "support"}})

    external_id: Id | None = None
    user_metadata: Metadata | None = None


# Views


def session_view(session: Session, messages: list[Message]) -> dict[str, Any]:
    return {
        "id": session.id,
        "user_id": session.user_id,
        "workflow_id": session.agent_id,
        "external_id": session.key,
        "created_at": session.created_at,
        "updated_at": session.last_active,
        "messages": [message_view(session, message) for message in messages],
    }


def message_view(session: Session, message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "session_id": session.id,
        "run_id": None,
        "content": content_view(message),
        "created_at": message.created_at,
        "updated_at": message.created_at,
    }


def content_view(message: Message) -> dict[str, Any]:
    view: dict[str, Any] = {"role": message.role, "content": message.content}
    for field in ("name", "tool_calls", "tool_call_id"):
        value = getattr(message, field)
        if value is not None:
            view[field] = value
    return view


def user_view(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "external_id": user.id,
        "user_metadata": user.metadata,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    }


def input_view(value: object) -> object:
    """Return what was sent, or, where that is long, the beginning of it as text."""
    text = to_json(value).decode()
    return value if len(text) <= MAX_INPUT_CHARS else f"{text[:MAX_INPUT_CHARS]}…"


def reply(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), media_type="application/json")


# Errors

NOT_FOUND: Mapping[type[DomainError], str] = {
    SessionNotFound: "Session not found",
    SessionForeign: "Session not found",
    UserNotFound: "User not found",
}
SESSION_NAMES = {"agent_id": "workflow_id", "key": "external_id"}
USER_NAMES = {"user_id": "external_id", "metadata": "user_metadata"}


def pyspur(place: str, names: Mapping[str, str] = SESSION_NAMES) -> Callable[[Handler], Handler]:
    """Make an endpoint of this dialect, which takes its input from the "body" or the "query".

    `names` says how the dialect calls the fields that the domain's errors name.
    """

    def render(error: DomainError) -> Response:
        if type(error) in NOT_FOUND:
            return refusal(error, 404, NOT_FOUND[type(error)])
        if isinstance(error, InvalidInput | MalformedBody):
            return refusal(error, 422, problems(error, place, names))
        return refusal(error, status_of(error), str(error))

    return lambda handler: DialectEndpoint(handler, render)


def refusal(error: DomainError, status: int, detail: object) -> Response:
    # orjson refuses integers beyond 64 bits, which `detail` may show because they were sent.
    body = to_json({"detail": detail}, inf_nan_mode="null")
    return Response(body, status, headers_of(error), media_type="application/json")


def problems(
    error: InvalidInput | MalformedBody, place: str, names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return all that is wrong; `input` is null where the domain found it."""
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


# Endpoints


@pyspur("body")
async def create_session(request: Request) -> Response:
    new = (await read_body(request, SessionBody)).to_domain()
    session = await sessions(request).get_or_create(caller(request), new)
    return reply(session_view(session, await _messages(request, session)))


@pyspur("query")
async def create_test_session(request: Request) -> Response:
    query = read_query(request, TestSessionQuery)
    session = await sessions(request).get_or_create_test(caller(request), query.workflow_id)
    await users(request).get_or_create(caller(request), session.user_id)
    return reply(session_view(session, []))


@pyspur("query")
async def list_sessions(request: Request) -> Response:
    found, total = await _selected(request, read_query(request, SessionsQuery))
    newest = await sessions(request).newest_of_each(found, limit=MESSAGES_IN_LISTS)
    views = [session_view(session, newest[session.id]) for session in found]
    return reply({"sessions": views, "total": total})


@pyspur("query")
async def get_session(request: Request) -> Response:
    session = await sessions(request).get(caller(request), read_session_id(request))
    return reply(session_view(session, await _messages(request, session)))


@pyspur("query")
async def delete_session(request: Request) -> Response:
    await sessions(request).delete(caller(request), read_session_id(request))
    return Response(status_code=204)


@pyspur("body", USER_NAMES)
async def create_user(request: Request) -> Response:
    body = await read_body(request, UserBody)
    user = await users(request).get_or_create(caller(request), body.external_id, body.user_metadata)
    return reply(user_view(user))


@pyspur("query")
async def list_users(request: Request) -> Response:
    page = read_query(request, PageQuery)
    found = await users(request).select(caller(request), limit=page.limit, skip=page.skip)
    total = await users(request).count(caller(request))
    return reply({"users": [user_view(user) for user in found], "total": total})


@pyspur("query")
async def get_user(request: Request) -> Response:
    return reply(user_view(await users(request).get(caller(request), _user_id(request))))


@pyspur("body", USER_NAMES)
async def update_user(request: Request) -> Response:
    user_id = _user_id(request)
    body = await read_body(request, UserChangeBody)
    if body.external_id not in {None, user_id}:
        raise InvalidInput("external_id", "is the user's id and cannot be changed.")
    if body.user_metadata is None:
        user = await users(request).get(caller(request), user_id)
    else:
        user = await users(request).set_metadata(caller(request), user_id, body.user_metadata)
    return reply(user_view(user))


@pyspur("query")
async def delete_user(request: Request) -> Response:
    # Each delete of the user's sessions has a deadline, and there may be many.
    deadlines(request).lift()
    await users(request).delete(caller(request), _user_id(request))
    return Response(status_code=204)


def _user_id(request: Request) -> str:
    user_id: str = request.path_params["user_id"]
    return user_id


async def _selected(request: Request, query: SessionsQuery) -> tuple[list[Session], int]:
    """Return a page and the total; to this caller, somebody else has as many as an unknown user."""
    page, of = ListPage(limit=query.limit, skip=query.skip), Selection(user_id=query.user_id)
    try:
        found = await sessions(request).select(caller(request), page, of)
        return found, await sessions(request).count(caller(request), of)
    except Forbidden:
        return [], 0


async def _messages(request: Request, session: Session) -> list[Message]:
    """Return the log of the session, oldest first: all of it, or the newest `MAX_MESSAGES`.

    It is read in pages. A log that is cleared meanwhile is shown as far as it was read.
    """
    messages: list[Message] = []
    skipped = max(0, session.message_count - MAX_MESSAGES)
    while len(messages) < session.message_count - skipped:
        window = Window(limit=MESSAGES_PER_READ, skip=skipped + len(messages))
        _, page = await sessions(request).read(caller(request), session.id, window)
        messages += page
        if len(page) < MESSAGES_PER_READ:
            break
    return messages
