"""kill -9 of all members together, as if they shared a rack; then all come back."""

import asyncio

from tests.faults.history import History
from tests.faults.results import Result, at_least
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import Scene, inject_under_load, load_of, proven


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(2) as services:
        scene = Scene(rig, services, History(rig.seed))
        await inject_under_load(scene, load_of(rig, size), size.times, _kill)
        figures, notes = await proven(scene)
    result.figures += [at_least("times", size.times, len(scene.at_s)), *figures]
    result.notes += notes


async def _kill(scene: Scene, _: int) -> None:
    replicas = scene.rig.replicas
    scene.mark("kill -9 of all members")
    await asyncio.gather(*(member.process.kill() for member in replicas.members))
    await asyncio.gather(*(replicas.restart(member) for member in replicas.members))
    await replicas.healthy()
