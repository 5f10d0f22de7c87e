"""The checker: a history and the final state in, every broken promise out.

    violations = check(history, state)
    assert not violations, report(violations, history)

Each invariant of the design has a file that states it.
"""

from tests.faults.checker.invariants import check
from tests.faults.checker.report import report
from tests.faults.checker.violation import Violation

__all__ = ["Violation", "check", "report"]
