"""I2: nothing is stored or shown that was never sent or was definitely refused."""

from collections import Counter
from collections.abc import Iterator

from tests.faults.checker.evidence import Evidence, SentMessage
from tests.faults.checker.violation import Violation
from tests.faults.history import Kind, Outcome


def check_unsent(evidence: Evidence) -> Iterator[Violation]:
    yield from _in_store(evidence)
    yield from _in_reads(evidence)
    yield from _heads(evidence)


def _in_store(evidence: Evidence) -> Iterator[Violation]:
    for id_, entries in evidence.state.entries.items():
        for entry in entries:
            if problem := _problem(evidence, entry.body, id_):
                message = evidence.messages.get(entry.body)
                attempts = tuple(message.attempts) if message else ()
                yield Violation("I2", f"seq {entry.seq} is stored: {problem}", id_, attempts)


def _in_reads(evidence: Evidence) -> Iterator[Violation]:
    for session in evidence.sessions.values():
        for read in session.reads:
            for seen in read.seen:
                message = evidence.messages.get(seen.body)
                if message and session.may_be_deleted and _was_too_late(message):
                    continue
                if problem := _problem(evidence, seen.body, session.session):
                    yield Violation("I2", f"shown was {problem}", session.session, (read,))


def _heads(evidence: Evidence) -> Iterator[Violation]:
    """A session no client knows of can only come from a create whose outcome is unknown."""
    unknown = Counter(
        operation.user
        for operation in evidence.history.of_kind(Kind.CREATE)
        if operation.outcome is Outcome.UNKNOWN
    )
    for id_, head in evidence.state.heads.items():
        if evidence.sessions[id_].created is None:
            unknown[head.owner] -= 1
            if unknown[head.owner] < 0:
                yield Violation("I2", f"{head.owner} has a session that no client created", id_)


def _problem(evidence: Evidence, body: str, session: str) -> str | None:
    message = evidence.messages.get(body)
    if message is None:
        return f"message {body}, which no client sent"
    if message.session != session:
        return f"message {body}, which was sent to session {message.session}"
    if not message.may_be_stored:
        return f"message {body}, although every attempt to send it was refused"
    return None


def _was_too_late(message: SentMessage) -> bool:
    """Say whether the delete came between: a concurrent append had already shown it."""
    return all(attempt.status == 404 for attempt in message.attempts)
