"""A long time at 70 % of the peak: neither memory nor answers may drift."""

import math
from dataclasses import replace
from pathlib import Path

from tests.faults.history import History, Operation
from tests.faults.injected.overload import peak_of
from tests.faults.load import run_load
from tests.faults.results import Figure, Result, at_most
from tests.faults.rig.rig import Rig
from tests.faults.rig.service import Service
from tests.faults.size import Size
from tests.faults.under_load import Scene, durations_s, load_of, percentile

SHARE_OF_PEAK = 0.7
# The first part warms caches up; the others are compared.
PARTS = 6
MEMORY_GROWTH, P99_DRIFT = 0.02, 0.1
PAGE_BYTES = 4096


async def run(rig: Rig, size: Size, result: Result) -> None:
    """Load one service for `size.times` seconds."""
    async with rig.services(1) as services:
        scene = Scene(rig, services, History(rig.seed))
        peak_per_s = await peak_of(scene)
        parts = [
            await _part(scene, SHARE_OF_PEAK * peak_per_s, size.times / PARTS, turn)
            for turn in range(PARTS)
        ]
    result.notes.append(f"{SHARE_OF_PEAK * peak_per_s:.0f} requests/s for {size.times} s")
    result.figures += _figures(parts)


Part = tuple[int, float]


async def _part(scene: Scene, rate_per_s: float, duration_s: float, turn: int) -> Part:
    """Return the memory of the service after this part, and the p99 of its answers."""
    # Each part has a history of its own, so that our memory stays the same, too.
    history = History(scene.rig.seed)
    load = replace(
        load_of(scene.rig, Size(0)),
        seed=scene.rig.seed + turn,
        appends=math.inf,
        rate_per_s=rate_per_s,
        duration_s=duration_s,
    )
    await run_load(scene.urls, load, history)
    return _memory_bytes(scene.services[0]), _p99_s(history.operations)


def _figures(parts: list[Part]) -> list[Figure]:
    (memory_bytes, p99_s), (last_bytes, last_s) = parts[1], parts[-1]
    return [
        at_most("memory, growth", MEMORY_GROWTH, last_bytes / memory_bytes - 1),
        at_most("p99, drift", P99_DRIFT, last_s / p99_s - 1),
        Figure("memory at the end", "", f"{last_bytes / 2**20:.0f} MiB", holds=True),
        Figure("p99 at the end", "", f"{last_s * 1000:.0f} ms", holds=True),
    ]


def _memory_bytes(service: Service) -> int:
    statm = Path(f"/proc/{service.process.pid}/statm").read_text()
    return int(statm.split()[1]) * PAGE_BYTES


def _p99_s(operations: list[Operation]) -> float:
    return percentile(durations_s(operations), 0.99)
