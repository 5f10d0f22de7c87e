"""kill -9 of the service, one process after the other, while all take appends.

The last one killed never comes back: what it left behind, the others have to finish.
"""

import asyncio
from dataclasses import replace

from tests.faults.history import History
from tests.faults.results import Result, at_least
from tests.faults.rig.rig import Rig
from tests.faults.rig.service import Service
from tests.faults.size import Size
from tests.faults.under_load import Scene, inject_under_load, load_of, one_more, proven


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(3) as services:
        scene = Scene(rig, services, History(rig.seed))
        await inject_under_load(scene, load_of(rig, size), size.times, kill)
        scene.mark(f"kill -9 of {services[-1].url} for good")
        load = replace(load_of(rig, size), appends=size.appends // 4)
        dying = asyncio.create_task(_kill_later(services[-1]))
        await one_more(scene, load)
        await dying
        figures, notes = await proven(scene)
    result.figures += [at_least("kills", size.times, len(scene.at_s)), *figures]
    result.notes += notes


async def _kill_later(service: Service) -> None:
    await asyncio.sleep(1)
    await service.process.kill()


async def kill(scene: Scene, turn: int) -> None:
    service = scene.services[turn % len(scene.services)]
    scene.mark(f"kill -9 of {service.url}")
    await service.process.kill()
    await service.start()
