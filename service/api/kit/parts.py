"""What endpoints work with: one typed value made with the application, one made when it opens."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from starlette.requests import Request

from service.api.kit.deadlines import Deadlines
from service.api.kit.window_cache import EncodedWindows
from service.auth.tokens import Authenticator
from service.domain.access import Caller
from service.domain.chat.chat import Chat
from service.domain.keys import Keys
from service.domain.sessions import Sessions
from service.domain.users import Users
from service.observability.health import Readiness


@dataclass(frozen=True)
class Parts:
    """What exists from the start.

    `metrics` is None if the metrics have a port of their own. `mounts` are those of each
    dialect. A stream that is silent for `keep_alive_s` sends a
    comment. `started_s` is on the monotonic clock.
    """

    authenticator: Authenticator
    deadlines: Deadlines
    readiness: Readiness
    metrics: Callable[[], bytes] | None
    max_body_bytes: int
    keep_alive_s: float
    mounts: dict[str, list[str]]
    openapi: bytes
    started_s: float


class UseCases(NamedTuple):
    """What exists while the store is open. `time_is_up` is done once the process must end."""

    sessions: Sessions
    keys: Keys
    chat: Chat
    users: Users
    windows: EncodedWindows
    time_is_up: asyncio.Future[None]


def parts(request: Request) -> Parts:
    found: Parts = request.app.state.parts
    return found


def use_cases(request: Request) -> UseCases:
    found: UseCases = request.app.state.use_cases
    return found


def caller(request: Request) -> Caller:
    """Return the caller that sends the request, once its token is verified."""
    found: Caller = request.scope["caller"]
    return found


def sessions(request: Request) -> Sessions:
    return use_cases(request).sessions


def users(request: Request) -> Users:
    return use_cases(request).users


def keys(request: Request) -> Keys:
    return use_cases(request).keys


def chat(request: Request) -> Chat:
    return use_cases(request).chat


def windows(request: Request) -> EncodedWindows:
    return use_cases(request).windows


def deadlines(request: Request) -> Deadlines:
    return parts(request).deadlines
