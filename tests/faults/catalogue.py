"""All faults, with their sizes: a short profile for every change, a long one for releases."""

from collections.abc import Awaitable, Callable
from math import inf
from typing import NamedTuple

from tests.faults.injected import (
    all_killed,
    back_to_rest,
    bad_network,
    baseline,
    cut_replies,
    deletes,
    disk_full,
    fail_points,
    frozen_primary,
    frozen_service,
    overload,
    pool_exhaustion,
    primary_kills,
    racing,
    rolling_restarts,
    service_kills,
    soak,
    step_downs,
)
from tests.faults.results import Result
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.sizes import sized


class Fault(NamedTuple):
    """`short` is None if only the long profile has figures."""

    name: str
    run: Callable[[Rig, Size, Result], Awaitable[None]]
    short: Size | None
    long: Size


FAULTS = {
    fault.name: fault
    for fault in (
        Fault(
            "service_kills",
            service_kills.run,
            sized(Size(4000, 8), nightly=Size(10_000, 20)),
            Size(100_000, 200),
        ),
        Fault(
            "primary_kills",
            primary_kills.run,
            sized(Size(5000, 3), nightly=Size(10_000, 5)),
            Size(100_000, 50),
        ),
        Fault("frozen_service", frozen_service.run, None, Size(30_000, 4, 100)),
        Fault(
            "frozen_primary",
            frozen_primary.run,
            sized(Size(2000, 2, 150), nightly=Size(3000, 3, 150)),
            Size(50_000, 30, 150),
        ),
        Fault("all_killed", all_killed.run, Size(2000, 1), Size(40_000, 20)),
        Fault("disk_full", disk_full.run, None, Size(30_000, 10)),
        Fault("cut_replies", cut_replies.run, Size(500), Size(10_000)),
        Fault("bad_clients", bad_network.run_before_clients, None, Size(10_000, 28)),
        Fault("bad_network", bad_network.run_before_database, None, Size(5000, 28)),
        Fault("fail_points", fail_points.run, Size(0, 1), Size(0, 2)),
        Fault("pool_exhaustion", pool_exhaustion.run, Size(1500, 0, inf), Size(5000, 0, inf)),
        Fault("overload", overload.run, None, Size(0, 45)),
        Fault("back_to_rest", back_to_rest.run, None, Size(3000, 0, 200)),
        Fault(
            "deletes",
            deletes.run,
            sized(Size(1400, 1000), nightly=Size(2800, 2000)),
            Size(28_000, 20_000),
        ),
        Fault("racing", racing.run, None, Size(10_000)),
        Fault("step_downs", step_downs.run, None, Size(10_000, 20, 200)),
        Fault("rolling_restarts", rolling_restarts.run, Size(2000, 2, 200), Size(50_000, 50, 200)),
        Fault("baseline_service_kills", baseline.run_service_kills, None, Size(10_000, 20)),
        Fault("baseline_cut_replies", baseline.run_cut_replies, None, Size(10_000)),
    )
}


def soak_for(minutes: int) -> Fault:
    size = Size(0, 60 * minutes)
    return Fault("soak", soak.run, size, size)
