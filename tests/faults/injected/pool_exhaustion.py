"""Five hundred concurrent callers, five connections to the database."""

from dataclasses import replace

from tests.faults.history import History
from tests.faults.load import Mix, run_load
from tests.faults.results import Figure, Result, at_most, none_of
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import Scene, durations_s, load_of, percentile, proven, works_again_s

POOL, CALLERS = 5, 500
ANSWERED_S, RECOVERED_S = 3, 2
# Mainly reads of all kinds: unlike appends, they do not share database calls.
MIX = Mix(
    append=20, turn=0, replay=2, history=20, recent=20, get=10, list=10, walk=0, create=5, delete=0,
    clear=0, foreign=2,
)  # fmt: skip


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(1, SESSIONS_MONGO_MAX_POOL=str(POOL)) as services:
        scene = Scene(rig, services, History(rig.seed))
        load = replace(load_of(rig, size, MIX), max_in_flight=CALLERS)
        await run_load(scene.urls, load, scene.history)
        recovered_s = await works_again_s(scene)
        figures, notes = await proven(scene)
    answers = scene.history.operations
    others = [op for op in answers if op.status not in range(200, 500) and op.status != 503]
    took_s = durations_s(answers)
    result.figures += [
        none_of("answers other than 2xx and 503", len(others)),
        at_most("answered within, p99", ANSWERED_S, percentile(took_s, 0.99), " s"),
        at_most("answered within, all", ANSWERED_S, took_s[-1], " s"),
        at_most("recovered within", RECOVERED_S, recovered_s, " s"),
        Figure("answers of 503", "", str(sum(op.status == 503 for op in answers)), holds=True),
        *figures,
    ]
    result.notes += notes
