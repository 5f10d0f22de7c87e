"""An endpoint: one row that says everything about it, next to its handler."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Unpack

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from service.domain.errors import DomainError

Handler = Callable[[Request], Awaitable[Response]]
Render = Callable[[DomainError], Response]


class Event(NamedTuple):
    """One kind of server-sent event: its name, and the type of its data.

    The data is JSON of that type, or, if `is_json` is false, the text itself.
    """

    name: str
    data: Any
    is_json: bool = True


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One method of one path: its handler, what it takes and returns, and what kind it is.

    `path` is relative to the mounts of its dialect. Its parameters are `{name}` for a segment,
    `{name:uuid}` for a UUID and `{name:path}` for any text, slashes included.

    `returns` is the type of the JSON body that comes with `status`; None is no JSON. `refuses`
    holds the error statuses in addition to those that follow from the rest. `makes` names
    parameters of other endpoints, and the JSON pointers to their values in the response.
    `render_error` is given if the endpoint's errors differ from those of its dialect.

    An endpoint that is `open` needs no token and has no rate limit. One that `takes_long` waits
    for a model, sends a whole session or deletes many: the adaptive limit leaves it out. One
    that is `always_answered` is served even by an overloaded process. One that is not `listed` is
    left out of the OpenAPI document.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    status: int = 200
    returns: Any = None
    media_type: str = "application/json"
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    events: tuple[Event, ...] = ()
    refuses: frozenset[int] = frozenset()
    max_idempotency_key_chars: int | None = None
    makes: Mapping[str, str] = field(default_factory=dict)
    render_error: Render | None = None
    open: bool = False
    takes_long: bool = False
    always_answered: bool = False
    listed: bool = True

    @property
    def models(self) -> list[type[BaseModel]]:
        """Return the shapes of what it takes."""
        return [model for model in (self.query, self.body) if model]


class Row(TypedDict, total=False):
    """What an endpoint may say in addition to its method, path and summary."""

    status: int
    returns: Any
    media_type: str
    query: type[BaseModel]
    body: type[BaseModel]
    events: tuple[Event, ...]
    refuses: frozenset[int]
    max_idempotency_key_chars: int
    makes: Mapping[str, str]
    render_error: Render
    open: bool
    takes_long: bool
    always_answered: bool
    listed: bool


class Endpoints:
    """Collects the endpoints of a dialect: decorate each handler with its row."""

    def __init__(self) -> None:
        self._rows: list[Endpoint] = []

    def __call__(
        self, method: str, path: str, summary: str, **row: Unpack[Row]
    ) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            self._rows.append(Endpoint(method, path, handler, summary, **row))
            return handler

        return add

    @property
    def rows(self) -> tuple[Endpoint, ...]:
        """Return the endpoints in the order in which they were added."""
        return tuple(self._rows)
