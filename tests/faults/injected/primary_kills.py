"""kill -9 of the primary; it comes back once another member has taken over."""

from tests.faults.history import History
from tests.faults.results import Result, at_least, at_most
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import (
    Scene,
    inject_under_load,
    load_of,
    outages_s,
    percentile,
    proven,
)

OUTAGE_P50_S, OUTAGE_MAX_S = 3, 6


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(2) as services:
        scene = Scene(rig, services, History(rig.seed))
        await inject_under_load(scene, load_of(rig, size), size.times, kill)
        figures, notes = await proven(scene)
    outages = outages_s(scene)
    result.figures += [
        at_least("kills", size.times, len(outages)),
        at_most("write outage, p50", OUTAGE_P50_S, percentile(outages, 0.5), " s"),
        at_most("write outage, longest", OUTAGE_MAX_S, max(outages), " s"),
        *figures,
    ]
    result.notes += notes


async def kill(scene: Scene, _: int) -> None:
    primary = await scene.rig.replicas.primary()
    scene.mark(f"kill -9 of the primary {primary.address}")
    await primary.process.kill()
    await scene.rig.replicas.primary()
    await scene.rig.replicas.restart(primary)
    await scene.rig.replicas.healthy()
