"""I5: a message acknowledged before another was sent has the lower number."""

from collections.abc import Iterator

from tests.faults.checker.evidence import Evidence, SentMessage, SessionEvidence
from tests.faults.checker.violation import Violation


def check_order(evidence: Evidence) -> Iterator[Violation]:
    for session in evidence.sessions.values():
        yield from _overtaken(evidence, session)


def _overtaken(evidence: Evidence, session: SessionEvidence) -> Iterator[Violation]:
    """Sweep over time: with each message, the greatest number acknowledged before it."""
    seqs, moved = evidence.seqs, evidence.moved
    numbered = [m for m in session.messages if m.body in seqs and m.body not in moved]
    greatest: SentMessage | None = None
    acknowledged = [message for message in numbered if message.acknowledged]
    waiting = iter(sorted(acknowledged, key=lambda m: m.acknowledged_s))
    following = next(waiting, None)
    for message in sorted(numbered, key=lambda m: m.invoked_s):
        while following is not None and following.acknowledged_s < message.invoked_s:
            if greatest is None or seqs[following.body] > seqs[greatest.body]:
                greatest = following
            following = next(waiting, None)
        if greatest is not None and seqs[message.body] < seqs[greatest.body]:
            problem = (
                f"message {greatest.body} (seq {seqs[greatest.body]}) was acknowledged before "
                f"message {message.body} (seq {seqs[message.body]}) was sent"
            )
            operations = (*greatest.attempts, *message.attempts)
            yield Violation("I5", problem, session.session, operations)
