"""Each fault once, then a minute of rest: the service uses no more than it did before."""

import asyncio
from dataclasses import replace
from typing import Any

from tests.faults.history import History, Phase
from tests.faults.injected import bad_network, frozen_primary, primary_kills
from tests.faults.load import Load
from tests.faults.results import Result, at_least
from tests.faults.rig.rig import Rig
from tests.faults.rig.usage import SAMPLES, sample_usage
from tests.faults.size import Size
from tests.faults.under_load import Inject, Scene, inject_under_load, load_of, one_more, proven

SETTLE_S, REST_S = 10, 60
WARM_UPS = 4
# A cache that fills up to its bound is not a leak, but would look like one.
UNCACHED: Any = {"SESSIONS_WINDOW_CACHE_BYTES": "0"}


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with (
        rig.services(2, **UNCACHED) as services,
        bad_network.proxies_before(rig, services) as (proxies, urls),
    ):
        scene = Scene(rig, services, History(rig.seed))
        load = load_of(rig, size)
        for _ in range(WARM_UPS):
            await one_more(scene, load)
        await asyncio.sleep(SETTLE_S)
        await sample_usage(services, scene.history, Phase.BEFORE)
        await _all_faults(scene, load, bad_network.next_fault(proxies), urls)
        await asyncio.sleep(REST_S)
        await sample_usage(services, scene.history, Phase.AFTER)
        figures, notes = await proven(scene)
    samples = 2 * SAMPLES * len(services)
    result.figures += [at_least("samples", samples, len(scene.history.samples)), *figures]
    result.notes += notes


async def _all_faults(scene: Scene, load: Load, change: Inject, urls: list[str]) -> None:
    seed = scene.rig.seed + 1
    for turn, inject in enumerate((frozen_primary.freeze, primary_kills.kill)):
        await inject_under_load(scene, replace(load, seed=seed + turn), 1, inject)
    impatient = replace(load, seed=seed + 2, deadline_s=bad_network.CLIENTS_DEADLINE_S)
    await inject_under_load(scene, impatient, len(bad_network.CHANCE), change, urls)
