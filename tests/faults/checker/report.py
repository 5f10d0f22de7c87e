"""A readable report: what is broken, the operations that show it, the faults between them."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.faults.checker.violation import Violation
from tests.faults.history import History, Mark, Operation

MAX_SHOWN_OF_EACH = 5
MAX_OPERATIONS = 20
MAX_SEEN = 6


def report(violations: Sequence[Violation], history: History) -> str:
    """Return the counts of each invariant, then the first violations of each in full."""
    if not violations:
        return f"seed {history.seed}: {len(history.operations)} operations, nothing is broken\n"
    counts = Counter(violation.invariant for violation in violations)
    broken = ", ".join(f"{count} of {invariant}" for invariant, count in counts.items())
    return "\n".join([f"seed {history.seed}: {broken}", *_lines(violations, history), ""])


def _lines(violations: Sequence[Violation], history: History) -> Iterator[str]:
    begun_s = min((op.invoked_s for op in history.operations), default=0)
    shown: Counter[str] = Counter()
    for violation in violations:
        shown[violation.invariant] += 1
        if shown[violation.invariant] <= MAX_SHOWN_OF_EACH:
            yield f"\n{violation}"
            yield from _story(violation, history.marks, begun_s)


def _story(violation: Violation, marks: Sequence[Mark], begun_s: float) -> Iterator[str]:
    """List the operations in the order they were sent, with the marks between them."""
    operations = sorted(violation.operations, key=lambda op: op.invoked_s)[:MAX_OPERATIONS]
    if not operations:
        return
    first_s, last_s = operations[0].invoked_s, max(op.completed_s for op in operations)
    told = [(op.invoked_s, _line(op, begun_s)) for op in operations]
    told += [
        (mark.at_s, f"  {mark.at_s - begun_s:10.4f}               *** {mark.text}")
        for mark in marks
        if first_s <= mark.at_s <= last_s
    ]
    yield from (line for _, line in sorted(told))


def _line(operation: Operation, begun_s: float) -> str:
    times = f"{operation.invoked_s - begun_s:10.4f} … {operation.completed_s - begun_s:10.4f}"
    what = f"{operation.kind} ({operation.dialect}, {operation.user}, attempt {operation.attempt})"
    return f"  {times}  {what}: {' '.join(_details(operation))}"


def _details(operation: Operation) -> Iterator[str]:
    yield (
        operation.outcome if operation.status is None else f"{operation.outcome} {operation.status}"
    )
    if operation.sent:
        yield "sent " + ", ".join(sent.body for sent in operation.sent)
    if operation.skip or operation.limit is not None:
        yield f"skip {operation.skip} limit {operation.limit}"
    if operation.seen:
        shown = [f"{s.seq or '?'}:{s.body}" for s in operation.seen]
        middle = ["…"] if len(shown) > MAX_SEEN else []
        half = MAX_SEEN // 2
        yield "saw " + " ".join([*shown[:half], *middle, *shown[half:][-half:]])
    if operation.heads:
        yield "counts " + ", ".join(str(head.message_count) for head in operation.heads[:MAX_SEEN])
    if operation.problem:
        yield repr(operation.problem)
