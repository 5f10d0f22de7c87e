"""SIGTERM of one service after the other, behind a balancer that learns of it late."""

import asyncio
import signal

from tests.faults.history import History
from tests.faults.results import Result, at_least, at_most, none_of
from tests.faults.rig.balancer import Balancer, balancer
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import Scene, failed, inject_under_load, load_of, proven

# How long the balancer keeps opening connections to a service that got its signal.
STALE_S = 0.5
# Longer than clients keep an unused connection: none is closed while in use.
DRAIN_S, SHUTDOWN_S = 2, 20
CLOSE_S = 8


async def run(rig: Rig, size: Size, result: Result) -> None:
    took_s: list[float] = []
    async with rig.services(2, SESSIONS_DRAIN_S=str(DRAIN_S)) as services:
        ports = [service.port for service in services]
        async with balancer(ports) as (balancing, url):
            scene = Scene(rig, services, History(rig.seed))

            async def restart(scene: Scene, turn: int) -> None:
                took_s.append(await _restart(scene, turn, balancing))

            await inject_under_load(scene, load_of(rig, size), size.times, restart, [url])
        figures, notes = await proven(scene)
    losses = failed(scene.history)
    result.figures += [
        at_least("restarts", size.times, len(took_s)),
        none_of("failed requests", len(losses)),
        at_most("longest stop", DRAIN_S + SHUTDOWN_S + CLOSE_S, max(took_s), " s"),
        *figures,
    ]
    result.notes += notes + [str(op) for op in losses[:3]]


async def _restart(scene: Scene, turn: int, balancing: Balancer) -> float:
    """Restart one of the services; return how long it took to end."""
    service = scene.services[turn % len(scene.services)]
    scene.mark(f"SIGTERM of {service.url}")
    service.process.send(signal.SIGTERM)
    begun_s = asyncio.get_running_loop().time()
    await asyncio.sleep(STALE_S)
    balancing.ports.remove(service.port)
    await service.process.ended()
    took_s = asyncio.get_running_loop().time() - begun_s
    await service.start()
    balancing.ports.append(service.port)
    return took_s
