"""Replies of the database that are cut off after the commit: done, and no one knows."""

from tests.faults.history import History
from tests.faults.load import run_load
from tests.faults.results import Result, at_least
from tests.faults.rig.proxy import Fault, fault_proxy, is_command
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import Scene, load_of, proven

CHANCE = 0.1
WRITES = ("insert", "update")


async def run(rig: Rig, size: Size, result: Result) -> None:
    primary = await rig.replicas.healthy()
    async with fault_proxy(primary.port, rig.random, is_command(*WRITES)) as (proxy, port):
        url = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        async with rig.services(2, mongo_url=url) as services:
            scene = Scene(rig, services, History(rig.seed))
            proxy.fault, proxy.chance = Fault.RESET_REPLY, CHANCE
            await run_load(scene.urls, load_of(rig, size), scene.history)
            proxy.fault = Fault.NONE
            figures, notes = await proven(scene)
    result.figures += [at_least("replies cut", size.appends // 100, proxy.hits), *figures]
    result.notes += notes
