"""I9: no response to one user contains anything of another."""

from collections.abc import Iterator

from tests.faults.checker.evidence import Evidence
from tests.faults.checker.violation import Violation


def check_leaks(evidence: Evidence) -> Iterator[Violation]:
    for operation in evidence.history.operations:
        others = set(operation.canaries) - {operation.user}
        if others:
            problem = f"{operation.user} was shown messages of {', '.join(sorted(others))}"
            yield Violation("I9", problem, operation.session, (operation,))
        for head in operation.heads:
            session = evidence.sessions.get(head.session)
            if session is not None and session.owner != operation.user:
                problem = f"{operation.user} was shown a session of {session.owner}"
                yield Violation("I9", problem, head.session, (operation,))
    for operation in evidence.foreign:
        if operation.is_acknowledged:
            problem = f"{operation.user} had access to a session of another user"
            yield Violation("I9", problem, operation.session, (operation,))
