"""All invariants, by their names in the design."""

from collections.abc import Callable, Iterator

from tests.faults.checker.acknowledged import check_acknowledged
from tests.faults.checker.errors import check_errors
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.heads import check_heads
from tests.faults.checker.keys import check_keys
from tests.faults.checker.leaks import check_leaks
from tests.faults.checker.numbers import check_numbers
from tests.faults.checker.order import check_order
from tests.faults.checker.reads import check_reads
from tests.faults.checker.removals import check_removals
from tests.faults.checker.resources import check_resources
from tests.faults.checker.unsent import check_unsent
from tests.faults.checker.violation import Violation
from tests.faults.checker.walks import check_walks
from tests.faults.final_state import FinalState
from tests.faults.history import History

INVARIANTS: dict[str, Callable[[Evidence], Iterator[Violation]]] = {
    "I1": check_acknowledged,
    "I2": check_unsent,
    "I3": check_keys,
    "I4": check_numbers,
    "I5": check_order,
    "I6": check_reads,
    "I7": check_heads,
    "I8": check_removals,
    "I9": check_leaks,
    "I10": check_walks,
    "I11": check_errors,
    "I12": check_resources,
}


def check(history: History, state: FinalState) -> list[Violation]:
    """Return all violations, grouped by invariant. Read when all is at rest."""
    evidence = Evidence(history, state)
    return [violation for find in INVARIANTS.values() for violation in find(evidence)]
