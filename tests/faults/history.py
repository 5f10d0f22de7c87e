"""The record of a run: every operation as its client saw it, the faults, and what was used.

The load driver (`load.py`) records operations, the rig records marks and samples, all into one
`History`; the checker (`checker/`) reads it with the final state (`final_state.py`). Times are
`time.monotonic()` of the one process that drives the load, so they can be compared.

A message is identified by its body: every body of a run is unique and begins with a canary that
names its owner (see `bodies.py`), and the record keeps a hash of it, which also shows whether
a byte has changed.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter


class Kind(StrEnum):
    CREATE = "create"
    APPEND = "append"
    """One message, or a chat turn: several, in order; only the first of them if it failed."""
    DELETE = "delete"
    CLEAR = "clear"
    HISTORY = "history"
    """Messages from the start of the log, or from `skip` messages after it: ascending.

    Without `limit` the whole log."""
    RECENT = "recent"
    """The newest messages, or those before the `skip` newest: ascending."""
    GET = "get"
    """The head, with the newest messages if the dialect shows any."""
    LIST = "list"
    """Heads only, of one user."""


class Dialect(StrEnum):
    NATIVE = "native"
    PYSPUR = "pyspur"
    KEYED = "keyed"
    JULEP = "julep"


class Outcome(StrEnum):
    """What the client knows after waiting for an operation."""

    OK = "ok"
    """2xx: it was done, or the requested data was shown."""
    REFUSED = "refused"
    """A response that says nothing was changed: 4xx, or 5xx with `Outcome: unchanged`."""
    UNSENT = "unsent"
    """No connection to send it on, so nothing was changed."""
    UNKNOWN = "unknown"
    """No response, half a response, or one that leaves open whether it was done."""


class Sent(NamedTuple):
    """A message of an append: the hash of its body, its idempotency key in its session."""

    body: str
    key: str | None = None


class Seen(NamedTuple):
    """A message in a response: the hash of its body as received, its number if shown."""

    body: str
    seq: int | None = None


class Head(NamedTuple):
    """A session in a response, and how many messages it has if that is shown."""

    session: str
    message_count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request on the wire, and what came back.

    The attempts of one request share `call` and have the same `sent`; `attempt` counts them
    from 1. A deliberate replay is also an attempt. The pages of one paging share `walk`.
    """

    call: int
    kind: Kind
    dialect: Dialect
    user: str
    invoked_s: float
    completed_s: float
    outcome: Outcome
    session: str | None = None
    attempt: int = 1
    sent: tuple[Sent, ...] = ()
    walk: int | None = None
    skip: int = 0
    limit: int | None = None
    status: int | None = None
    retry_after_s: int | None = None
    is_well_formed: bool = True
    """Whether the response was JSON in its dialect's format (an error: with its text)."""
    problem: str | None = None
    """What a response that is not OK said, or how the connection failed; shortened."""
    seen: tuple[Seen, ...] = ()
    heads: tuple[Head, ...] = ()
    canaries: tuple[str, ...] = ()
    """The owners whose canaries were anywhere in the response, including error texts."""

    @property
    def is_acknowledged(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def may_have_happened(self) -> bool:
        return self.outcome in {Outcome.OK, Outcome.UNKNOWN}


class Mark(NamedTuple):
    """Something the rig did: a fault, its end, a restart. It is shown between the operations."""

    at_s: float
    text: str


class Phase(StrEnum):
    BEFORE = "before"
    """Warmed up and at rest, before the fault."""
    DURING = "during"
    AFTER = "after"
    """At rest, 60 s or more after the fault has ended."""


class Sample(NamedTuple):
    """What one service process uses. The baseline and the end of a run are compared by I12.

    `process` names the role ("service 1"), not the pid: a restarted process keeps it.
    `pool_in_use` counts the driver's connections that are checked out.
    """

    at_s: float
    process: str
    phase: Phase
    memory_bytes: int
    sockets: int
    tasks: int
    pool_in_use: int


@dataclass
class History:
    """All that was recorded of one run, in order of completion."""

    seed: int
    operations: list[Operation] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def record(self, operation: Operation) -> None:
        self.operations.append(operation)

    def mark(self, at_s: float, text: str) -> None:
        self.marks.append(Mark(at_s, text))

    def sample(self, sample: Sample) -> None:
        self.samples.append(sample)

    def of_kind(self, *kinds: Kind) -> Iterator[Operation]:
        return (operation for operation in self.operations if operation.kind in kinds)

    def save(self, path: Path) -> None:
        """Save the history as JSON lines, each with its kind; the seed comes first."""
        with path.open("wb") as file:
            file.write(_line("seed", self.seed))
            file.writelines(_line("operation", operation) for operation in self.operations)
            file.writelines(_line("mark", mark) for mark in self.marks)
            file.writelines(_line("sample", sample) for sample in self.samples)


def load(path: Path) -> History:
    """Read a saved history, for example one that failed a check."""
    by_kind: defaultdict[str, list[Any]] = defaultdict(list)
    with path.open("rb") as file:
        for line in file:
            [(kind, record)] = orjson.loads(line).items()
            by_kind[kind].append(record)
    return History(
        seed=by_kind["seed"][0],
        operations=_OPERATIONS.validate_python(by_kind["operation"]),
        marks=_MARKS.validate_python(by_kind["mark"]),
        samples=_SAMPLES.validate_python(by_kind["sample"]),
    )


_OPERATIONS = TypeAdapter(list[Operation])
_MARKS = TypeAdapter(list[Mark])
_SAMPLES = TypeAdapter(list[Sample])


def _line(kind: str, record: object) -> bytes:
    # Named tuples are shown as lists.
    return orjson.dumps({kind: record}, default=tuple, option=orjson.OPT_APPEND_NEWLINE)
