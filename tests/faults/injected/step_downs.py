"""The primary steps down every two seconds, as in a rolling upgrade that goes too fast."""

import asyncio

from tests.faults.history import History
from tests.faults.results import Result, at_least
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import Scene, inject_under_load, load_of, proven

PAUSE_S = 2


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(2) as services:
        scene = Scene(rig, services, History(rig.seed))
        await inject_under_load(scene, load_of(rig, size), size.times, _step_down)
        figures, notes = await proven(scene)
    result.figures += [at_least("step-downs", size.times, len(scene.at_s)), *figures]
    result.notes += notes


async def _step_down(scene: Scene, _: int) -> None:
    scene.mark("step-down")
    await scene.rig.replicas.step_down()
    await asyncio.sleep(PAUSE_S)
