"""Faults under load: what happens meanwhile, the load's progress, and what is proven after it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random

from tests.faults.checker import check, report
from tests.faults.final_state import FinalState, read_final_state
from tests.faults.history import History, Kind, Operation, Outcome
from tests.faults.load import Load, Mix, run_load
from tests.faults.results import Figure, none_of
from tests.faults.rig.rig import Rig
from tests.faults.rig.service import Service
from tests.faults.size import Size

POLL_S = 0.02
OUTAGE_WITHIN_S = 30
MAX_SHOWN = 5
REQUEST_DEADLINE_S = 20
# Mainly appends, so that the counts of the figures are reached in time; nothing waits for
# a sweep.
MOSTLY_APPENDS = Mix(
    append=80, turn=2, replay=5, history=3, recent=4, get=2, list=1, walk=1, create=1, delete=0,
    clear=0, foreign=1,
)  # fmt: skip


ONLY_APPENDS = Mix(
    append=1, turn=0, replay=0, history=0, recent=0, get=0, list=0, walk=0, create=0, delete=0,
    clear=0, foreign=0,
)  # fmt: skip
LONGEST = "longest request"
FEW = 3
MAX_SEED = 10**6


@dataclass
class Scene:
    """One fault while it happens: where, and what was recorded."""

    rig: Rig
    services: Sequence[Service]
    history: History
    at_s: list[float] = field(default_factory=list)

    @property
    def random(self) -> Random:
        return self.rig.random

    def mark(self, text: str) -> None:
        """Record a fault that counts, and its time."""
        self.at_s.append(time.monotonic())
        self.history.mark(self.at_s[-1], text)

    @property
    def urls(self) -> list[str]:
        return [service.url for service in self.services]


Inject = Callable[[Scene, int], Awaitable[None]]


def load_of(rig: Rig, size: Size, mix: Mix = MOSTLY_APPENDS) -> Load:
    return Load(seed=rig.seed, rate_per_s=size.rate_per_s, appends=size.appends, mix=mix)


async def inject_under_load(
    scene: Scene, load: Load, times: int, inject: Inject, urls: Sequence[str] | None = None
) -> None:
    """Inject the fault this many times, spread at random over the appends of the load.

    A fault waits for the previous one to end: if the load is faster, it ends first.
    """
    loading = asyncio.create_task(run_load(urls or scene.urls, load, scene.history))
    injecting = asyncio.create_task(_inject(scene, load, times, inject))
    try:
        await asyncio.wait({loading, injecting}, return_when=asyncio.FIRST_EXCEPTION)
        await injecting
        await loading
    finally:
        loading.cancel()
        injecting.cancel()


async def _inject(scene: Scene, load: Load, times: int, inject: Inject) -> None:
    async for turn in _spread(times, load, scene):
        await inject(scene, turn)


async def _spread(times: int, load: Load, scene: Scene) -> AsyncIterator[int]:
    share = load.appends / (times + 1)
    progress = _Progress(scene.history)
    for turn in range(times):
        place = int(share * (turn + scene.random.random()))
        while progress.appends < place:  # noqa: ASYNC110  The history has no event for it.
            await asyncio.sleep(POLL_S)
        yield turn


class _Progress:
    """How many appends have ended in the load that begins now."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._seen = len(history.operations)
        self._appends = 0

    @property
    def appends(self) -> int:
        new = self._history.operations[self._seen :]
        self._seen += len(new)
        self._appends += sum(op.kind is Kind.APPEND and op.attempt == 1 for op in new)
        return self._appends


async def one_more(scene: Scene, load: Load) -> list[Operation]:
    """Return the record of another load, which repeats no text sent before."""
    recorded = len(scene.history.operations)
    seed = scene.random.randrange(1, MAX_SEED)
    await run_load(scene.urls, replace(load, seed=seed), scene.history)
    return scene.history.operations[recorded:]


async def works_again_s(scene: Scene) -> float:
    """Return how long it takes until a few successive appends are acknowledged."""
    begun_s = time.monotonic()
    few = Load(seed=0, appends=FEW, sessions=1, max_in_flight=1, mix=ONLY_APPENDS)
    while not all(op.is_acknowledged for op in (await one_more(scene, few))[-FEW:]):
        pass
    return time.monotonic() - begun_s


async def at_rest(scene: Scene) -> FinalState:
    """Return everything stored, once the database is whole again."""
    rig = scene.rig
    await rig.replicas.healthy()
    url = scene.services[0].url
    return await read_final_state(url, rig.replicas.url, rig.database, scene.history)


async def proven(scene: Scene) -> tuple[list[Figure], list[str]]:
    """Check the history against everything stored; save it if it breaks an invariant."""
    rig, history = scene.rig, scene.history
    state = await at_rest(scene)
    violations = check(history, state)
    notes = [str(violation) for violation in violations[:MAX_SHOWN]]
    if violations:
        kept = rig.folder / f"{rig.database}-{rig.seed}.jsonl"
        history.save(kept)
        state.save(kept.with_suffix(".state.json"))
        kept.with_suffix(".txt").write_text(report(violations, history))
        notes.append(f"kept: {kept}, and beside it what was there and what is broken")
    return _figures(history, len(violations)), notes


def _figures(history: History, violations: int) -> list[Figure]:
    appends = acknowledged(history)
    longest_s = max(durations_s(history.operations), default=0)
    return [
        Figure("acknowledged appends", "> 0", str(len(appends)), bool(appends)),
        none_of("invariants broken", violations),
        none_of("answers of 500", sum(op.status == 500 for op in history.operations)),
        Figure(
            LONGEST,
            f"≤ {REQUEST_DEADLINE_S + 1} s",
            f"{longest_s:.1f} s",
            longest_s <= REQUEST_DEADLINE_S + 1,
        ),
    ]


def acknowledged(history: History) -> list[Operation]:
    return [op for op in history.of_kind(Kind.APPEND) if op.is_acknowledged]


def failed(history: History) -> list[Operation]:
    """Return the operations without a response, or with one that says the service failed."""
    broken = (Outcome.UNKNOWN, Outcome.UNSENT)
    return [op for op in history.operations if op.outcome in broken or (op.status or 0) >= 500]


def outages_s(scene: Scene) -> list[float]:
    """Return how long no append was acknowledged at each fault: the longest gaps, ascending."""
    ends_s = sorted(op.completed_s for op in acknowledged(scene.history))
    return sorted(_longest_gap_s(ends_s, at_s) for at_s in scene.at_s)


def _longest_gap_s(ends_s: list[float], at_s: float) -> float:
    near = [s for s in ends_s if at_s - 1 <= s <= at_s + OUTAGE_WITHIN_S]
    return max((b - a for a, b in pairwise(near)), default=OUTAGE_WITHIN_S)


def durations_s(operations: Sequence[Operation]) -> list[float]:
    return sorted(op.completed_s - op.invoked_s for op in operations)


def percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
