"""What an endpoint asks of its request: who calls, and the use cases."""

from collections.abc import Awaitable, Callable
from functools import update_wrapper

from starlette.requests import Request
from starlette.responses import Response

from service.api.deadlines import Deadlines
from service.api.windows import EncodedWindows
from service.auth.tokens import Authenticator
from service.domain.access import Caller
from service.domain.chat import Chat
from service.domain.errors import DomainError
from service.domain.keys import Keys
from service.domain.sessions import Sessions
from service.domain.users import Users

Handler = Callable[[Request], Awaitable[Response]]
Render = Callable[[DomainError], Response]


class DialectEndpoint:
    """Asks for a token first; answers in time, and each domain error in the dialect's one shape."""

    def __init__(self, handler: Handler, render: Render) -> None:
        update_wrapper(self, handler)
        self.handler = handler
        self.render = render

    async def __call__(self, request: Request) -> Response:
        try:
            return await deadlines(request).keep(request, self._answer(request))
        except DomainError as error:
            return self.render(error)

    async def _answer(self, request: Request) -> Response:
        await authenticate(request)
        return await self.handler(request)


async def authenticate(request: Request) -> None:
    """Check the token once and keep the caller with the request.

    Raises:
        Unauthenticated: no token, or not a valid one.
    """
    authenticator: Authenticator = request.app.state.authenticator
    # Two headers become one that is no token: nobody may choose which of them counts.
    given = [value for name, value in request.scope["headers"] if name == b"authorization"]
    request.scope["caller"] = await authenticator.caller(b", ".join(given).decode("latin-1"))


def deadlines(request: Request) -> Deadlines:
    found: Deadlines = request.app.state.deadlines
    return found


def caller(request: Request) -> Caller:
    found: Caller = request.scope["caller"]
    return found


def sessions(request: Request) -> Sessions:
    found: Sessions = request.app.state.sessions
    return found


def users(request: Request) -> Users:
    found: Users = request.app.state.users
    return found


def keys(request: Request) -> Keys:
    found: Keys = request.app.state.keys
    return found


def chat(request: Request) -> Chat:
    found: Chat = request.app.state.chat
    return found


def windows(request: Request) -> EncodedWindows:
    found: EncodedWindows = request.app.state.windows
    return found
