"""I12: 60 s after the fault, memory, sockets, tasks and pool are back to within a tenth."""

import math
from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from tests.faults.checker.evidence import Evidence
from tests.faults.checker.violation import Violation
from tests.faults.history import Phase, Sample

MEASURES = ("memory_bytes", "sockets", "tasks", "pool_in_use")
TOLERANCE = 0.1


def check_resources(evidence: Evidence) -> Iterator[Violation]:
    """Compare medians, as one sample may include a ping; fractions are rounded up."""
    by_process: defaultdict[str, defaultdict[Phase, list[Sample]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for sample in evidence.history.samples:
        by_process[sample.process][sample.phase].append(sample)
    for process, phases in by_process.items():
        if not phases[Phase.BEFORE] or not phases[Phase.AFTER]:
            yield Violation("I12", f"{process} was not sampled both before and after the fault")
            continue
        for measure in MEASURES:
            before = median(getattr(sample, measure) for sample in phases[Phase.BEFORE])
            after = median(getattr(sample, measure) for sample in phases[Phase.AFTER])
            if after > math.ceil(before * (1 + TOLERANCE)):
                yield Violation("I12", f"{process}: {measure} was {before:g} and is {after:g}")
