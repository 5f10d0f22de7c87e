"""Deletes and clears against appends to the same sessions: nothing may be left behind."""

from dataclasses import replace
from typing import Any

from config.settings import HEADS_KNOWN_FOR_S
from tests.faults.history import History, Kind, Operation
from tests.faults.load import Mix, run_load
from tests.faults.results import Result, at_least
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import Scene, load_of, proven

MIX = Mix(
    append=20, turn=2, replay=5, history=4, recent=2, get=2, list=1, walk=1, create=0, delete=0,
    clear=3, foreign=1, race=100,
)  # fmt: skip
# A third of them may be deleted: enough that there is always one.
SESSIONS = 300
MONGO_TIMEOUT_S = 1
# The shortest grace these settings allow, so that the sweeper comes soon.
QUICK: Any = {
    "SESSIONS_MONGO_TIMEOUT_S": str(MONGO_TIMEOUT_S),
    "SESSIONS_DELETE_GRACE_S": str(HEADS_KNOWN_FOR_S + 5 * MONGO_TIMEOUT_S),
    "SESSIONS_SWEEP_INTERVAL_S": "1",
}


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(2, **QUICK) as services:
        scene = Scene(rig, services, History(rig.seed))
        load = replace(load_of(rig, size, MIX), sessions=SESSIONS)
        await run_load(scene.urls, load, scene.history)
        figures, notes = await proven(scene)
    raced = _deletes_beside_appends(scene.history)
    result.figures += [at_least("deletes beside an append", size.times, raced), *figures]
    result.notes += notes


def _deletes_beside_appends(history: History) -> int:
    """Return how many were acknowledged while an append to their session was under way."""
    appends: dict[str | None, list[Operation]] = {}
    for append in history.of_kind(Kind.APPEND):
        appends.setdefault(append.session, []).append(append)
    return sum(
        any(
            append.invoked_s < delete.completed_s and delete.invoked_s < append.completed_s
            for append in appends.get(delete.session, [])
        )
        for delete in history.of_kind(Kind.DELETE)
        if delete.is_acknowledged
    )
