"""What parts of the service report, for others to watch: a leaf that anyone may import."""

from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context
from typing import Any, NamedTuple, Protocol

APPEND, CREATE, READ_HEADS, LIST = "append", "create", "read heads", "list"
MOVE_HEADS = "move heads"
# Where the scope of a request holds the template of its path.
_TEMPLATE = "session_service.template"


class Batch(NamedTuple):
    """Requests of one kind that share calls: how long each waited, and where it came from.

    `messages` is how many a batch of appends holds, else 0. Moves of heads are in nobody's
    name: `waits_s` is how long the first of them has been owed.
    """

    kind: str
    messages: int
    waits_s: list[float]
    askers: list[Context]


# Entered when a batch begins, exited when it is done: with the error, if it failed.
WatchBatch = Callable[[Batch], AbstractContextManager[None]]


def unwatched(_: Batch) -> AbstractContextManager[None]:
    return nullcontext()


class DriverWatcher(Protocol):
    """Called from the driver's threads; what it raises is only logged."""

    def command_ended(self, name: str, duration_s: float, *, failed: bool) -> None: ...

    def connections_changed(self, *, idle: int = 0, in_use: int = 0) -> None:
        """Take note of how many more, or fewer, connections are in these states."""
        ...


def report_template(scope: MutableMapping[str, Any], template: str | None) -> None:
    """Keep the template of the path with its request; None if no path matches."""
    scope[_TEMPLATE] = template


def template_in(scope: MutableMapping[str, Any]) -> str | None:
    """Return the template of the path of a request: the path itself holds ids and keys."""
    found: str | None = scope.get(_TEMPLATE)
    return found
