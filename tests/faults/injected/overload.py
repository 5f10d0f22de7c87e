"""More than the service can do, from clients who do not wait for each other's answers."""

import math
from collections.abc import Sequence
from dataclasses import replace

from tests.faults.history import History, Operation
from tests.faults.load import Load
from tests.faults.results import Figure, Result, at_least, at_most
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import (
    Scene,
    durations_s,
    load_of,
    one_more,
    percentile,
    proven,
    works_again_s,
)

PEAK_IN_FLIGHT = 64
# What the load generator can keep in flight: far more than a service that sheds lets happen.
OPEN_IN_FLIGHT = 4000
WARM_UP_S, PEAK_S = 2, 6
GOODPUT = {2: 0.9, 5: 0.8}
ACCEPTED_P99_S, RECOVERED_S = 1, 5


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(1) as services:
        scene = Scene(rig, services, History(rig.seed))
        load = replace(load_of(rig, size), appends=math.inf, rate_per_s=math.inf)
        peak_per_s = await peak_of(scene)
        result.notes.append(f"peak: {peak_per_s:.0f} requests/s, {PEAK_IN_FLIGHT} in flight")
        for times, share in GOODPUT.items():
            opened = replace(
                load,
                rate_per_s=times * peak_per_s,
                max_in_flight=OPEN_IN_FLIGHT,
                duration_s=size.times,
            )
            result.figures += await _overloaded(scene, opened, peak_per_s, share, times)
        figures, notes = await proven(scene)
    result.figures += figures
    result.notes += notes


async def peak_of(scene: Scene) -> float:
    """Return how many requests a second are answered when clients wait for each other."""
    closed = replace(
        load_of(scene.rig, Size(0)),
        appends=math.inf,
        rate_per_s=math.inf,
        max_in_flight=PEAK_IN_FLIGHT,
    )
    await one_more(scene, replace(closed, duration_s=WARM_UP_S))
    return _per_s(await one_more(scene, replace(closed, duration_s=PEAK_S)))


async def _overloaded(
    scene: Scene, load: Load, peak_per_s: float, share: float, times: int
) -> list[Figure]:
    operations = await one_more(scene, load)
    accepted = [op for op in operations if op.is_acknowledged]
    recovered_s = await works_again_s(scene)
    name = f"{times} x peak"
    return [
        Figure(f"{name}: offered", "", f"{len(operations) / load.duration_s:.0f}/s", holds=True),
        at_least(f"{name}: goodput of peak", share, _per_s(operations) / peak_per_s),
        at_most(
            f"{name}: accepted, p99", ACCEPTED_P99_S, percentile(durations_s(accepted), 0.99), " s"
        ),
        at_most(f"{name}: recovered", RECOVERED_S, recovered_s, " s"),
    ]


def _per_s(operations: Sequence[Operation]) -> float:
    """Return how many were answered well in a second, from the first to the last."""
    ends_s = [op.completed_s for op in operations if op.is_acknowledged]
    return len(ends_s) / (max(ends_s) - min(op.invoked_s for op in operations))
