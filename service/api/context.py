"""What an endpoint asks of its request: who calls, and the use cases."""

from starlette.requests import Request

from service.auth.tokens import Authenticator
from service.domain.access import Caller
from service.domain.sessions import Sessions


async def authenticate(request: Request) -> None:
    """Check the token once and keep the caller with the request.

    Raises:
        Unauthenticated: no token, or not a valid one.
    """
    authenticator: Authenticator = request.app.state.authenticator
    request.state.caller = await authenticator.caller(request.headers.get("authorization"))


def caller(request: Request) -> Caller:
    found: Caller = request.state.caller
    return found


def sessions(request: Request) -> Sessions:
    found: Sessions = request.app.state.sessions
    return found
