"""kill -9 of the service, one process after the other, while both take appends."""

from tests.faults.history import History
from tests.faults.results import Result, at_least
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import Scene, inject_under_load, load_of, proven


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(2) as services:
        scene = Scene(rig, services, History(rig.seed))
        await inject_under_load(scene, load_of(rig, size), size.times, kill)
        figures, notes = await proven(scene)
    result.figures += [at_least("kills", size.times, len(scene.at_s)), *figures]
    result.notes += notes


async def kill(scene: Scene, turn: int) -> None:
    service = scene.services[turn % len(scene.services)]
    scene.mark(f"kill -9 of {service.url}")
    await service.process.kill()
    await service.start()
