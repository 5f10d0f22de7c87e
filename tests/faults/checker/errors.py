"""I11: every failure is well-formed, and distinguishes definite, unknown and "try again"."""

from collections.abc import Iterator

from tests.faults.checker.evidence import Evidence, SessionEvidence
from tests.faults.checker.violation import Violation
from tests.faults.history import Operation, Outcome

# A request that arrives too slowly, and one too many.
ALWAYS_ALLOWED = {408, 429}
UNAVAILABLE = 503


def check_errors(evidence: Evidence) -> Iterator[Violation]:
    for operation in evidence.history.operations:
        if problem := _problem(operation):
            yield Violation("I11", problem, operation.session, (operation,))
    for operation in evidence.foreign:
        if operation.outcome is Outcome.REFUSED and operation.status not in {
            403,
            404,
            UNAVAILABLE,
            *ALWAYS_ALLOWED,
        }:
            yield _wrong(operation, "a request for another user's session")
    for session in evidence.sessions.values():
        yield from _wrongly_refused(session)


def _problem(operation: Operation) -> str | None:
    if not operation.is_well_formed:
        return "a response does not have the format of its dialect"
    if operation.status == 500:
        return "a response with status 500"
    if operation.status == UNAVAILABLE and operation.retry_after_s is None:
        return "a 503 does not say when to try again"
    return None


def _wrongly_refused(session: SessionEvidence) -> Iterator[Violation]:
    """All requests of the load are valid: only a session that may be gone may be 404."""
    sent_s = [delete.invoked_s for delete in session.deletes if delete.may_have_happened]
    for operation in session.operations:
        status = operation.status or 0
        if status not in range(400, 500) or status in ALWAYS_ALLOWED:
            continue
        may_be_gone = bool(sent_s) and operation.completed_s > min(sent_s)
        if status != 404 or not may_be_gone:
            yield _wrong(operation, "a valid request for the user's own session")


def _wrong(operation: Operation, whose: str) -> Violation:
    problem = f"{operation.status} for {whose}"
    return Violation("I11", problem, operation.session, (operation,))
