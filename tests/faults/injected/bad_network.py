"""A network that delays, trickles, resets and falls silent; clients that hang up mid-append."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from tests.faults.history import History
from tests.faults.results import Result, at_least
from tests.faults.rig.proxy import Fault, FaultProxy, fault_proxy
from tests.faults.rig.rig import Rig
from tests.faults.rig.service import Service
from tests.faults.size import Size
from tests.faults.under_load import Inject, Scene, inject_under_load, load_of, proven

# As impatient as real clients are; half-open connections keep them waiting this long.
CLIENTS_DEADLINE_S = 3
CHANCE = {
    Fault.DELAY: 0.1,
    Fault.TRICKLE: 0.05,
    Fault.RESET_REQUEST: 0.1,
    Fault.RESET_REPLY: 0.1,
    Fault.HANG_UP: 0.1,
    Fault.LOST_REPLY: 0.02,
    Fault.HALF_OPEN: 0.02,
}


async def run_before_clients(rig: Rig, size: Size, result: Result) -> None:
    """Put a proxy between the clients and each of two services."""
    async with rig.services(2) as services, proxies_before(rig, services) as (proxies, urls):
        scene = Scene(rig, services, History(rig.seed))
        load = replace(load_of(rig, size), deadline_s=CLIENTS_DEADLINE_S)
        await inject_under_load(scene, load, size.times, next_fault(proxies), urls)
        figures, notes = await proven(scene)
    hits = sum(proxy.hits for proxy in proxies)
    result.figures += [at_least("requests it was done to", size.appends // 50, hits), *figures]
    result.notes += notes


async def run_before_database(rig: Rig, size: Size, result: Result) -> None:
    """Put a proxy between two services and the primary."""
    primary = await rig.replicas.healthy()
    async with fault_proxy(primary.port, rig.random) as (proxy, port):
        url = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        async with rig.services(2, mongo_url=url) as services:
            scene = Scene(rig, services, History(rig.seed))
            await inject_under_load(scene, load_of(rig, size), size.times, next_fault([proxy]))
            proxy.fault = Fault.NONE
            figures, notes = await proven(scene)
    figure = at_least("commands it was done to", size.appends // 100, proxy.hits)
    result.figures += [figure, *figures]
    result.notes += notes


def next_fault(proxies: Sequence[FaultProxy]) -> Inject:
    """Return a function that switches the proxies from one fault to the next, in turn."""

    async def change(scene: Scene, turn: int) -> None:
        fault = list(CHANCE)[turn % len(CHANCE)]
        scene.mark(f"network: {fault.value}")
        for proxy in proxies:
            proxy.fault, proxy.chance = fault, CHANCE[fault]

    return change


@asynccontextmanager
async def proxies_before(
    rig: Rig, services: Sequence[Service]
) -> AsyncIterator[tuple[list[FaultProxy], list[str]]]:
    async with AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(fault_proxy(service.port, rig.random))
            for service in services
        ]
        yield [proxy for proxy, _ in made], [f"http://127.0.0.1:{port}" for _, port in made]
