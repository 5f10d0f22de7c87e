"""I6: a read shows an unbroken range, all that was acknowledged before, no less than others."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from tests.faults.checker.evidence import Evidence, SessionEvidence
from tests.faults.checker.violation import Violation
from tests.faults.history import Kind, Operation


class _End(NamedTuple):
    """How far a log reached at least when an operation's response came."""

    seq: int
    operation: Operation


def check_reads(evidence: Evidence) -> Iterator[Violation]:
    for session in evidence.sessions.values():
        for read in session.reads:
            yield from _broken(evidence, session, read)
        yield from _taken_back(evidence, session)
        yield from _shrunk(evidence, session)


def _broken(evidence: Evidence, session: SessionEvidence, read: Operation) -> Iterator[Violation]:
    seqs = [seen.seq or evidence.seqs.get(seen.body) for seen in read.seen]
    known = [seq for seq in seqs if seq is not None]
    is_moved = any(seen.body in evidence.moved for seen in read.seen if seen.seq is None)
    if is_moved or len(known) < len(seqs) or not known:
        return
    if known != list(range(known[0], known[0] + len(known))):
        yield Violation("I6", f"a read shows {known}", session.session, (read,))
    elif read.kind is Kind.HISTORY and session.is_lasting and known[0] != read.skip + 1:
        problem = f"a read that skips {read.skip} begins with {known[0]}"
        yield Violation("I6", problem, session.session, (read,))


def _taken_back(evidence: Evidence, session: SessionEvidence) -> Iterator[Violation]:
    """A message shown once is still shown at rest, unless something may have removed it."""
    served = evidence.state.served.get(session.session)
    if served is None or not session.is_lasting:
        return
    at_rest, told = {seen.body for seen in served.log}, set[str]()
    for read in session.reads:
        for seen in read.seen:
            if seen.body not in at_rest and seen.body not in told:
                told.add(seen.body)
                problem = f"message {seen.body} was shown but is not in the final read"
                yield Violation("I6", problem, session.session, (read,))


def _shrunk(evidence: Evidence, session: SessionEvidence) -> Iterator[Violation]:
    """Sweep over time: with each read, the greatest end known before it was sent."""
    ends = [end for read in session.reads if (end := _end_of(session, read)) is not None]
    known = sorted([*ends, *_appended(evidence, session)], key=lambda e: e.operation.completed_s)
    waiting = iter(known)
    following, greatest = next(waiting, None), None
    for end in sorted(ends, key=lambda e: e.operation.invoked_s):
        while following and following.operation.completed_s < end.operation.invoked_s:
            greatest = max(greatest or following, following, key=lambda e: e.seq)
            following = next(waiting, None)
        if greatest is not None and end.seq < greatest.seq:
            problem = f"a read ends at {end.seq}, though {greatest.seq} was known before"
            operations = (greatest.operation, end.operation)
            yield Violation("I6", problem, session.session, operations)


def _appended(evidence: Evidence, session: SessionEvidence) -> Iterator[_End]:
    for message in session.messages:
        seq = evidence.seqs.get(message.body)
        if seq is not None and message.acknowledged and message.body not in evidence.moved:
            yield _End(seq, min(message.acknowledged, key=lambda attempt: attempt.completed_s))


def _end_of(session: SessionEvidence, read: Operation) -> _End | None:
    """Return the end of the log as a read shows it, if it does."""
    if read.kind is not Kind.HISTORY and read.seen and read.seen[-1].seq is not None:
        return _End(read.seen[-1].seq + read.skip, read)
    if not session.is_lasting:
        # Counts start from a number that may have moved.
        return None
    for head in read.heads:
        if head.message_count is not None:
            return _End(head.message_count, read)
    if read.kind is Kind.RECENT:
        return _End(0, read) if not read.seen and not read.skip else None
    if read.kind is Kind.HISTORY and len(read.seen) < (read.limit or math.inf):
        return _End(read.skip + len(read.seen), read) if read.seen or not read.skip else None
    return None
