"""A long time at 70 % of the peak: neither memory nor response times may drift."""

from tests.faults.injected.overload import OPEN_IN_FLIGHT, peak_per_s
from tests.faults.open_loop import Load, send
from tests.faults.results import Figure, Result, at_most
from tests.faults.rig.rig import Rig
from tests.faults.rig.service import Service
from tests.faults.rig.usage import memory_bytes
from tests.faults.size import Size
from tests.faults.under_load import percentile

SHARE_OF_PEAK = 0.7
# The first part warms up caches; the others are compared.
PARTS = 6
MEMORY_GROWTH, P99_DRIFT = 0.02, 0.1


async def run(rig: Rig, size: Size, result: Result) -> None:
    """Load one service for `size.times` seconds."""
    async with rig.services(1) as [service]:
        rate_per_s = SHARE_OF_PEAK * await peak_per_s(rig, service.url)
        part_s = size.times / PARTS
        load = Load(service.url, rate_per_s, part_s, OPEN_IN_FLIGHT, rig.seed)
        parts = [await _part(service, load) for _ in range(PARTS)]
    result.notes.append(f"{rate_per_s:.0f} appends/s for {size.times} s")
    result.figures += _figures(parts)


Part = tuple[int, float]


async def _part(service: Service, load: Load) -> Part:
    """Return the service's memory after this part, and the p99 of its responses."""
    sent = await send(load)
    if not sent.accepted_s:
        raise RuntimeError("No append was acknowledged, so there are no times to compare.")
    return memory_bytes(service), percentile(sorted(sent.accepted_s), 0.99)


def _figures(parts: list[Part]) -> list[Figure]:
    (memory_bytes, p99_s), (last_bytes, last_s) = parts[1], parts[-1]
    return [
        at_most("memory, growth", MEMORY_GROWTH, last_bytes / memory_bytes - 1),
        at_most("p99, drift", P99_DRIFT, last_s / p99_s - 1),
        Figure("memory at the end", "", f"{last_bytes / 2**20:.0f} MiB", holds=True),
        Figure("p99 at the end", "", f"{last_s * 1000:.0f} ms", holds=True),
    ]
