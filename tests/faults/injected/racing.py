"""Two services that start together on a database without indexes and write to one session."""

from dataclasses import replace

from service.storage.indexes import missing_indexes
from tests.databases import connected
from tests.faults.history import History
from tests.faults.load import run_load
from tests.faults.results import Result, none_of
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import Scene, load_of, proven

SESSIONS = 2


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(2) as services:
        scene = Scene(rig, services, History(rig.seed))
        missing = await _missing_indexes(rig)
        load = replace(load_of(rig, size), sessions=SESSIONS)
        await run_load(scene.urls, load, scene.history)
        figures, notes = await proven(scene)
    result.figures += [none_of("indexes missing", missing), *figures]
    result.notes += notes


async def _missing_indexes(rig: Rig) -> int:
    async with connected("pymongo", rig.replicas.url) as client:
        return len(await missing_indexes(client[rig.database]))
