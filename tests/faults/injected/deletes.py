"""Deletes and clears against appends to the same sessions: nothing may be left behind."""

from typing import Any

from config.settings import HEADS_KNOWN_FOR_S
from tests.faults.history import History, Kind
from tests.faults.load import Mix, run_load
from tests.faults.results import Result, at_least
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import Scene, load_of, proven

MIX = Mix(
    append=70, turn=2, replay=5, history=4, recent=2, get=2, list=1, walk=1, create=0, delete=115,
    clear=3, foreign=1,
)  # fmt: skip
MONGO_TIMEOUT_S = 1
# The shortest grace that these allow, so that the sweeper comes soon.
QUICK: Any = {
    "SESSIONS_MONGO_TIMEOUT_S": str(MONGO_TIMEOUT_S),
    "SESSIONS_DELETE_GRACE_S": str(HEADS_KNOWN_FOR_S + 5 * MONGO_TIMEOUT_S),
    "SESSIONS_SWEEP_INTERVAL_S": "1",
}


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(2, **QUICK) as services:
        scene = Scene(rig, services, History(rig.seed))
        await run_load(scene.urls, load_of(rig, size, MIX), scene.history)
        figures, notes = await proven(scene)
    deletes = [op for op in scene.history.of_kind(Kind.DELETE) if op.is_acknowledged]
    result.figures += [at_least("deletes", size.times, len(deletes)), *figures]
    result.notes += notes
