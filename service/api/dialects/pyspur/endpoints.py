"""The PySpur endpoints, each with its row."""

from starlette.requests import Request
from starlette.responses import Response

from service.api.dialects.pyspur.shapes import (
    PageQuery,
    SessionBody,
    SessionsQuery,
    TestSessionQuery,
    UserBody,
    UserChangeBody,
)
from service.api.dialects.pyspur.views import (
    USER_NAMES,
    SessionList,
    SessionView,
    UserList,
    UserView,
    render,
    reply,
    session_view,
    user_view,
)
from service.api.kit.endpoint import Endpoints
from service.api.kit.parts import caller, deadlines, sessions, users
from service.api.kit.reading import read_body, read_query, read_session_id
from service.domain.errors import Forbidden, InvalidInput
from service.domain.models import ListPage, Message, Selection, Session
from service.domain.window import Window

MAX_MESSAGES = 10_000
MESSAGES_PER_READ = 1000
MESSAGES_IN_LISTS = 20
MISSING = frozenset({404})

pyspur = Endpoints()


@pyspur(
    "POST",
    "/session/",
    "Create a session, or return the one with this external id.",
    returns=SessionView,
    body=SessionBody,
    refuses=frozenset({403}),
    makes={"session_id": "/id"},
    render_error=render("body"),
)
async def create_session(request: Request) -> Response:
    new = (await read_body(request, SessionBody)).to_domain()
    session = await sessions(request).get_or_create(caller(request), new)
    return reply(session_view(session, await _messages(request, session)))


@pyspur(
    "POST",
    "/session/test/",
    "Return an empty test session.",
    returns=SessionView,
    query=TestSessionQuery,
    makes={"session_id": "/id"},
)
async def create_test_session(request: Request) -> Response:
    query = read_query(request, TestSessionQuery)
    session = await sessions(request).get_or_create_test(caller(request), query.workflow_id)
    await users(request).get_or_create(caller(request), session.user_id)
    return reply(session_view(session, []))


@pyspur(
    "GET", "/session/", "List the sessions of a user.", returns=SessionList, query=SessionsQuery
)
async def list_sessions(request: Request) -> Response:
    found, total = await _selected(request, read_query(request, SessionsQuery))
    newest = await sessions(request).newest_of_each(caller(request), found, limit=MESSAGES_IN_LISTS)
    views = [session_view(session, newest[session.id]) for session in found]
    return reply({"sessions": views, "total": total})


@pyspur(
    "GET",
    "/session/{session_id}/",
    "Return a session with its messages.",
    returns=SessionView,
    refuses=MISSING,
)
async def get_session(request: Request) -> Response:
    session = await sessions(request).get(caller(request), read_session_id(request))
    return reply(session_view(session, await _messages(request, session)))


@pyspur(
    "DELETE",
    "/session/{session_id}/",
    "Delete a session with its messages.",
    status=204,
    refuses=MISSING,
)
async def delete_session(request: Request) -> Response:
    await sessions(request).delete(caller(request), read_session_id(request))
    return Response(status_code=204)


@pyspur(
    "POST",
    "/user/",
    "Create a profile, or return it.",
    returns=UserView,
    body=UserBody,
    refuses=frozenset({403}),
    makes={"user_id": "/id"},
    render_error=render("body", USER_NAMES),
)
async def create_user(request: Request) -> Response:
    body = await read_body(request, UserBody)
    user = await users(request).get_or_create(caller(request), body.external_id, body.user_metadata)
    return reply(user_view(user))


@pyspur("GET", "/user/", "List profiles.", returns=UserList, query=PageQuery)
async def list_users(request: Request) -> Response:
    page = read_query(request, PageQuery)
    found = await users(request).select(caller(request), limit=page.limit, skip=page.skip)
    total = await users(request).count(caller(request))
    return reply({"users": [user_view(user) for user in found], "total": total})


@pyspur("GET", "/user/{user_id:path}/", "Return a profile.", returns=UserView, refuses=MISSING)
async def get_user(request: Request) -> Response:
    return reply(user_view(await users(request).get(caller(request), _user_id(request))))


@pyspur(
    "PATCH",
    "/user/{user_id:path}/",
    "Change a profile.",
    returns=UserView,
    body=UserChangeBody,
    refuses=MISSING,
    render_error=render("body", USER_NAMES),
)
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


@pyspur(
    "DELETE",
    "/user/{user_id:path}/",
    "Delete a profile with its sessions.",
    status=204,
    refuses=MISSING,
    takes_long=True,
)
async def delete_user(request: Request) -> Response:
    # The user may have many sessions, and each delete has a deadline of its own.
    deadlines(request).lift()
    await users(request).delete(caller(request), _user_id(request))
    return Response(status_code=204)


def _user_id(request: Request) -> str:
    user_id: str = request.path_params["user_id"]
    return user_id


async def _selected(request: Request, query: SessionsQuery) -> tuple[list[Session], int]:
    """Return a page and the total; for this caller, another user has as many as an unknown one."""
    page, of = ListPage(limit=query.limit, skip=query.skip), Selection(user_id=query.user_id)
    try:
        found = await sessions(request).select(caller(request), page, of)
        return found, await sessions(request).count(caller(request), of)
    except Forbidden:
        return [], 0


async def _messages(request: Request, session: Session) -> list[Message]:
    """Return the log of the session, oldest first: all of it, or the newest `MAX_MESSAGES`.

    It is read in pages. If the log is cleared meanwhile, what was read until then is shown.
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
