"""All members' disk is full for a while, as if they shared one; then it has space again."""

import asyncio
import time
from collections.abc import Callable

from tests.faults.history import History, Operation
from tests.faults.results import Figure, Result, at_least, at_most, none_of
from tests.faults.rig.bounded_disk import BoundedDisk, CannotMount, bounded_disk
from tests.faults.rig.replica_set import replica_set
from tests.faults.rig.rig import Rig, rig_on
from tests.faults.size import Size
from tests.faults.under_load import (
    Scene,
    acknowledged,
    inject_under_load,
    load_of,
    proven,
    works_again_s,
)

DISK_MB = 400
WAIT_S = 60
FULL_S = 3
HEALTHY_S = 30
POLL_S = 0.05

Span = tuple[float, float]


async def run(rig: Rig, size: Size, result: Result) -> None:
    folder = rig.folder / "disk"
    folder.mkdir()
    try:
        async with bounded_disk(folder, DISK_MB) as disk, replica_set(folder, disk=disk) as set_:
            await _run(rig_on(set_, rig.folder, rig.seed), disk, size, result)
    except CannotMount as problem:
        result.figures.append(Figure("run", "yes", "no: no disk could be mounted", holds=False))
        result.notes.append(str(problem.__doc__))


async def _run(rig: Rig, disk: BoundedDisk, size: Size, result: Result) -> None:
    full: list[Span] = []
    recoveries_s: list[float] = []

    async def fill(scene: Scene, _: int) -> None:
        full.append(await _fill(scene, disk))
        recoveries_s.append(await _recover(scene))

    async with rig.services(2) as services:
        scene = Scene(rig, services, History(rig.seed))
        await inject_under_load(scene, load_of(rig, size), size.times, fill)
        figures, notes = await proven(scene)
    result.figures += [
        at_least("times", size.times, len(full)),
        none_of("2xx to appends while full", len(_within(full, acknowledged(scene.history)))),
        at_most("healthy after", HEALTHY_S, max(recoveries_s), " s"),
        *figures,
    ]
    result.notes += notes


async def _fill(scene: Scene, disk: BoundedDisk) -> Span:
    """Fill the disk, wait until no append gets through, and free it; return when it was full.

    MongoDB's files have space left in them: the disk counts as full once MongoDB has noticed.
    """
    scene.mark("the disk is full")
    disk.fill()
    members = scene.rig.replicas.members
    await _until(lambda: sum(member.process.is_running for member in members) <= 1)
    noticed_s = time.monotonic()
    await asyncio.sleep(FULL_S)
    freed_s = time.monotonic()
    disk.free()
    scene.history.mark(freed_s, "there is space again")
    return noticed_s, freed_s


async def _recover(scene: Scene) -> float:
    """Restart what ended; return how long it took until appends got through."""
    begun_s = time.monotonic()
    replicas = scene.rig.replicas
    ended = [member for member in replicas.members if not member.process.is_running]
    await asyncio.gather(*(replicas.restart(member) for member in ended))
    await works_again_s(scene)
    took_s = time.monotonic() - begun_s
    await replicas.healthy()
    return took_s


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110  It waits for other processes.
            await asyncio.sleep(POLL_S)


def _within(spans: list[Span], operations: list[Operation]) -> list[Operation]:
    """Return the operations that began and ended within one of the spans."""
    return [op for op in operations for a, b in spans if a < op.invoked_s and op.completed_s < b]
