"""I1: every acknowledged message is in the final read, with the same bytes; so is its session."""

from collections.abc import Iterator

from tests.faults.checker.evidence import Evidence, SentMessage, SessionEvidence
from tests.faults.checker.violation import Violation


def check_acknowledged(evidence: Evidence) -> Iterator[Violation]:
    for session in evidence.sessions.values():
        if session.may_be_deleted:
            continue
        served = evidence.state.served.get(session.session)
        if served is None and session.created is not None:
            problem = "a session was created but does not exist at rest"
            yield Violation("I1", problem, session.session, (session.created,))
        shown = {seen.body for seen in served.log} if served else set()
        for message in session.messages:
            if message.body not in shown and _must_be_there(session, message):
                yield Violation(
                    "I1",
                    f"message {message.body} was acknowledged but is not in the final read",
                    session.session,
                    (*message.attempts, *session.clears),
                )


def _must_be_there(session: SessionEvidence, message: SentMessage) -> bool:
    return any(
        not session.may_be_cleared_after(attempt.invoked_s) for attempt in message.acknowledged
    )
