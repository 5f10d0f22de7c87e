"""SIGSTOP of the primary: its connections stay open, and nothing answers on them."""

import asyncio

from tests.faults.history import History
from tests.faults.results import Result, at_least
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import Scene, inject_under_load, load_of, proven

FROZEN_S = (5, 15)


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(2) as services:
        scene = Scene(rig, services, History(rig.seed))
        await inject_under_load(scene, load_of(rig, size), size.times, freeze)
        figures, notes = await proven(scene)
    result.figures += [at_least("cycles", size.times, len(scene.at_s)), *figures]
    result.notes += notes


async def freeze(scene: Scene, turn: int) -> None:
    primary = await scene.rig.replicas.primary()
    scene.mark(f"SIGSTOP of the primary {primary.address}")
    primary.process.freeze()
    try:
        await asyncio.sleep(FROZEN_S[turn % len(FROZEN_S)])
    finally:
        primary.process.thaw()
    await scene.rig.replicas.healthy()
