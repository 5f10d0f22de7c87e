"""More than the service can do, from clients who do not wait for each other's answers.

The clients have a core of their own, or their work would be taken for that of the service.
"""

import asyncio
import math
import time

from tests.faults.open_loop import Load, Sent, send
from tests.faults.results import Figure, Result, at_least, at_most, none_of
from tests.faults.rig.cores import apart
from tests.faults.rig.rig import Rig
from tests.faults.rig.service import Service
from tests.faults.size import Size
from tests.faults.under_load import percentile

# So many keep the service busy without a break, and it refuses none of them.
PEAK_IN_FLIGHT, WARM_UP_S, PEAK_S = 400, 3, 8
# Far more than a service that sheds lets happen.
OPEN_IN_FLIGHT = 5000
GOODPUT = {2: 0.9, 5: 0.8}
ACCEPTED_P99_S, RECOVERED_S = 1, 5
FEW_PER_S, FEW_S = 20, 1
# What a probe of Kubernetes waits unless it is told otherwise.
HEALTH_S, HEALTH_EVERY_S = 1, 0.5


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(1) as [service]:
        members = [member.process.pid for member in rig.replicas.members]
        with apart([service.process.pid, *members]):
            peak = await peak_per_s(rig, service.url)
            result.notes.append(f"peak: {peak:.0f} appends/s")
            for times, share in GOODPUT.items():
                load = Load(service.url, times * peak, size.times, OPEN_IN_FLIGHT, rig.seed)
                sent, health_s = await asyncio.gather(send(load), _health_s(service, size.times))
                recovered_s = await _recovered_s(rig, service.url)
                result.figures += _figures(times, share, peak, sent, recovered_s)
                name = f"{times} x peak: health told on a new connection, longest"
                result.figures.append(at_most(name, HEALTH_S, health_s, " s"))
                result.notes.append(f"{times} x: {sent.offered} offered, answers {sent.statuses}")


async def peak_per_s(rig: Rig, url: str) -> float:
    """Return how many appends a second are acknowledged when clients wait for each other."""
    await send(Load(url, 0, WARM_UP_S, PEAK_IN_FLIGHT, rig.seed))
    return _goodput_per_s(await send(Load(url, 0, PEAK_S, PEAK_IN_FLIGHT, rig.seed)))


def _figures(times: int, share: float, peak: float, sent: Sent, recovered_s: float) -> list[Figure]:
    took_s = sorted(sent.accepted_s)
    others = sum(count for status, count in sent.statuses.items() if status not in {"200", "503"})
    name = f"{times} x peak"
    return [
        Figure(f"{name}: offered", "", f"{sent.offered / sent.took_s:.0f}/s", holds=True),
        at_least(f"{name}: goodput of peak", share, _goodput_per_s(sent) / peak),
        at_most(f"{name}: accepted, p99", ACCEPTED_P99_S, percentile(took_s, 0.99), " s"),
        at_most(f"{name}: recovered", RECOVERED_S, recovered_s, " s"),
        none_of(f"{name}: answers other than 200 and 503", others),
    ]


def _goodput_per_s(sent: Sent) -> float:
    return len(sent.accepted_s) / sent.took_s


async def _health_s(service: Service, duration_s: float) -> float:
    """Return the longest that whoever asks for the health had to wait."""
    longest_s, end_s = 0.0, time.monotonic() + duration_s
    while (begun_s := time.monotonic()) < end_s:
        async with asyncio.timeout(duration_s):
            status = await service.status("/livez")
        if b" 200 " not in status:
            return math.inf
        longest_s = max(longest_s, time.monotonic() - begun_s)
        await asyncio.sleep(HEALTH_EVERY_S)
    return longest_s


async def _recovered_s(rig: Rig, url: str) -> float:
    """Return how long it takes until a few clients are all served again."""
    tries = 0
    while True:
        few = await send(Load(url, FEW_PER_S, FEW_S, PEAK_IN_FLIGHT, rig.seed))
        if few.statuses.keys() == {"200"}:
            return float(tries * FEW_S)
        tries += 1
