"""I4: numbers run from the head's start to its end without a gap, and none is used twice."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.faults.checker.evidence import Evidence, SessionEvidence
from tests.faults.checker.violation import Violation
from tests.faults.history import Operation, Seen


def check_numbers(evidence: Evidence) -> Iterator[Violation]:
    for id_, head in evidence.state.heads.items():
        if head.is_deleted:
            continue
        stored = {entry.seq: entry.body for entry in evidence.state.entries.get(id_, ())}
        missing = [seq for seq in range(head.start, head.end + 1) if seq not in stored]
        if missing:
            yield Violation("I4", f"the log {head.start}…{head.end} lacks {_short(missing)}", id_)
        served = evidence.state.served.get(id_)
        wanted = [Seen(stored[n], n) for n in range(head.start, head.end + 1) if n in stored]
        if served is not None and list(served.log) != wanted:
            yield Violation("I4", "the messages shown at rest differ from those stored", id_)
    for session in evidence.sessions.values():
        yield from _used_twice(evidence, session)
        yield from _out_of_place(evidence, session)


def _used_twice(evidence: Evidence, session: SessionEvidence) -> Iterator[Violation]:
    served = evidence.state.served.get(session.session)
    bodies: dict[int, tuple[str, Operation | None]] = {}
    seqs: dict[str, tuple[int, Operation | None]] = {}
    for read, seen in _numbered(session.reads, served.log if served else ()):
        seq = seen.seq or 0
        body, earlier = bodies.setdefault(seq, (seen.body, read))
        if body != seen.body:
            problem = f"seq {seq} was message {body} and message {seen.body}"
            yield Violation("I4", problem, session.session, _known(earlier, read))
        first_seq, earlier = seqs.setdefault(seen.body, (seq, read))
        if first_seq != seq and seen.body not in evidence.moved:
            problem = f"message {seen.body} was seq {first_seq} and seq {seq}"
            yield Violation("I4", problem, session.session, _known(earlier, read))


def _numbered(
    reads: list[Operation], at_rest: Sequence[Seen]
) -> Iterator[tuple[Operation | None, Seen]]:
    yield from ((read, seen) for read in reads for seen in read.seen if seen.seq is not None)
    yield from ((None, seen) for seen in at_rest)


def _known(*operations: Operation | None) -> tuple[Operation, ...]:
    return tuple(operation for operation in operations if operation is not None)


def _out_of_place(evidence: Evidence, session: SessionEvidence) -> Iterator[Violation]:
    """A turn's messages are in order, and all there or none."""
    if session.clears or evidence.moved & {message.body for message in session.messages}:
        return
    seqs = evidence.seqs
    for before, message in pairwise(session.messages):
        if message.place != before.place + 1 or message.call != before.call:
            continue
        later, earlier = seqs.get(message.body), seqs.get(before.body)
        is_known = later is not None and not (earlier is None and session.may_be_deleted)
        if is_known and (earlier is None or earlier >= (later or 0)):
            problem = f"message {message.body} at {later} belongs after {before.body} at {earlier}"
            yield Violation("I4", problem, session.session, tuple(message.attempts))
        if earlier is not None and later is None and not session.may_be_deleted:
            problem = f"message {before.body} at {earlier} is there without {message.body}"
            yield Violation("I4", problem, session.session, tuple(message.attempts))


def _short(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return f"{shown} … ({len(numbers)} in all)" if len(numbers) > 10 else shown
