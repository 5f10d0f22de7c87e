"""SIGSTOP of the service for longer than the grace time, while others delete and clear.

What it held before it stored anything goes out when it wakes up: nothing of it may be lost,
nor left behind.
"""

import asyncio
from dataclasses import replace

from tests.faults.history import History
from tests.faults.injected.deletes import MIX, MONGO_TIMEOUT_S, QUICK, SESSIONS
from tests.faults.results import Result, at_least
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import LONGEST, Scene, inject_under_load, load_of, proven

# Longer than the grace time, and the sweep after it.
FROZEN_S = int(QUICK["SESSIONS_DELETE_GRACE_S"]) + 5 * MONGO_TIMEOUT_S


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(3, **QUICK) as services:
        scene = Scene(rig, services, History(rig.seed))
        load = replace(load_of(rig, size, MIX), sessions=SESSIONS)
        await inject_under_load(scene, load, size.times, freeze)
        figures, notes = await proven(scene)
    # Who asks the frozen one waits as long as it sleeps.
    figures = [figure for figure in figures if figure.name != LONGEST]
    result.figures += [at_least("cycles", size.times, len(scene.at_s)), *figures]
    result.notes += notes


async def freeze(scene: Scene, turn: int) -> None:
    # The last one answers nobody meanwhile; the others do.
    service = scene.services[-1]
    scene.mark(f"SIGSTOP of {service.url} for {FROZEN_S} s ({turn})")
    service.process.freeze()
    try:
        await asyncio.sleep(FROZEN_S)
    finally:
        service.process.thaw()
    await service.ready()
