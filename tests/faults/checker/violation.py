"""What the checker finds."""

from typing import NamedTuple

from tests.faults.history import Operation


class Violation(NamedTuple):
    """One broken promise: which, what is wrong, and the operations that show it."""

    invariant: str
    problem: str
    session: str | None = None
    operations: tuple[Operation, ...] = ()

    def __str__(self) -> str:
        where = f" in session {self.session}" if self.session else ""
        return f"{self.invariant}: {self.problem}{where}"
