"""More than the service can handle, from clients that do not wait for each other's responses.

The clients have their own core, or their work would be mistaken for the service's.
"""

import asyncio
import math
import time
from typing import NamedTuple

from tests.faults.open_loop import Load, Sent, send
from tests.faults.results import Figure, Result, at_least, at_most, none_of
from tests.faults.rig.cores import apart
from tests.faults.rig.rig import Rig
from tests.faults.rig.service import Service
from tests.faults.size import Size
from tests.faults.under_load import percentile

# This many keep the service constantly busy, and it refuses none of them.
PEAK_IN_FLIGHT, WARM_UP_S, PEAK_S = 400, 3, 8
# Far more than a service that sheds lets happen.
OPEN_IN_FLIGHT = 5000
GOODPUT = {2: 0.9, 5: 0.8}
# A shared machine is sometimes slow, sometimes fast: the peak is measured between all rounds.
ROUNDS = 3
ACCEPTED_P99_S, RECOVERED_S = 1, 5
FEW_PER_S, FEW_S = 20, 1
# How long a Kubernetes probe waits by default.
HEALTH_S, HEALTH_EVERY_S = 1, 0.5


class _Round(NamedTuple):
    """The result of a load; `peak_per_s` is the mean of the peaks before and after it."""

    sent: Sent
    peak_per_s: float
    recovered_s: float
    health_s: float


async def run(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(1) as [service]:
        members = [member.process.pid for member in rig.replicas.members]
        with apart([service.process.pid, *members]):
            for times, share in GOODPUT.items():
                rounds = await _rounds(rig, service, times, size.times / ROUNDS)
                result.figures += _figures(times, share, rounds)
                result.notes += [_note(times, round_) for round_ in rounds]


async def _rounds(rig: Rig, service: Service, times: int, duration_s: float) -> list[_Round]:
    rounds = []
    peak = await peak_per_s(rig, service.url)
    for _ in range(ROUNDS):
        load = Load(service.url, times * peak, duration_s, OPEN_IN_FLIGHT, rig.seed)
        sent, health_s = await asyncio.gather(send(load), _health_s(service, duration_s))
        recovered_s = await _recovered_s(rig, service.url)
        before, peak = peak, await peak_per_s(rig, service.url)
        rounds.append(_Round(sent, (before + peak) / 2, recovered_s, health_s))
    return rounds


async def peak_per_s(rig: Rig, url: str) -> float:
    """Return how many appends per second are acknowledged when clients wait for each other."""
    await send(Load(url, 0, WARM_UP_S, PEAK_IN_FLIGHT, rig.seed))
    return _goodput_per_s(await send(Load(url, 0, PEAK_S, PEAK_IN_FLIGHT, rig.seed)))


def _figures(times: int, share: float, rounds: list[_Round]) -> list[Figure]:
    took_s = sorted(took_s for round_ in rounds for took_s in round_.sent.accepted_s)
    goodput_per_s = sum(_goodput_per_s(round_.sent) for round_ in rounds)
    peaks_per_s = sum(round_.peak_per_s for round_ in rounds)
    others = sum(
        count
        for round_ in rounds
        for status, count in round_.sent.statuses.items()
        if status not in {"200", "503"}
    )
    name = f"{times} x peak"
    return [
        at_least(f"{name}: goodput of peak", share, goodput_per_s / peaks_per_s),
        at_most(f"{name}: accepted, p99", ACCEPTED_P99_S, percentile(took_s, 0.99), " s"),
        at_most(f"{name}: recovered", RECOVERED_S, max(r.recovered_s for r in rounds), " s"),
        at_most(
            f"{name}: health told on a new connection, longest",
            HEALTH_S,
            max(r.health_s for r in rounds),
            " s",
        ),
        none_of(f"{name}: answers other than 200 and 503", others),
    ]


def _note(times: int, round_: _Round) -> str:
    sent = round_.sent
    return (
        f"{times} x peak of {round_.peak_per_s:.0f} appends/s: {sent.offered / sent.took_s:.0f}/s "
        f"offered, {_goodput_per_s(sent):.0f}/s acknowledged, answers {sent.statuses}"
    )


def _goodput_per_s(sent: Sent) -> float:
    return len(sent.accepted_s) / sent.took_s


async def _health_s(service: Service, duration_s: float) -> float:
    """Return the longest time a health check had to wait."""
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
