"""All faults, with how much of each: a short profile for every change, a long one for releases."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tests.faults.injected import (
    all_killed,
    cut_replies,
    deletes,
    disk_full,
    fail_points,
    frozen_primary,
    primary_kills,
    racing,
    rolling_restarts,
    service_kills,
    step_downs,
)
from tests.faults.results import Result
from tests.faults.rig.rig import Rig
from tests.faults.size import Size


class Fault(NamedTuple):
    name: str
    run: Callable[[Rig, Size, Result], Awaitable[None]]
    short: Size
    long: Size


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("service_kills", service_kills.run, Size(10_000, 20), Size(100_000, 200)),
        Fault("primary_kills", primary_kills.run, Size(10_000, 5), Size(100_000, 50)),
        Fault("frozen_primary", frozen_primary.run, Size(3000, 3, 150), Size(60_000, 30, 150)),
        Fault("all_killed", all_killed.run, Size(2000, 1), Size(40_000, 20)),
        Fault("disk_full", disk_full.run, Size(1000, 1), Size(30_000, 10)),
        Fault("cut_replies", cut_replies.run, Size(500), Size(10_000)),
        Fault("fail_points", fail_points.run, Size(0), Size(0)),
        Fault("deletes", deletes.run, Size(2000, 100), Size(20_000, 1000)),
        Fault("racing", racing.run, Size(1000), Size(10_000)),
        Fault("step_downs", step_downs.run, Size(1000, 2, 200), Size(10_000, 20, 200)),
        Fault("rolling_restarts", rolling_restarts.run, Size(2000, 2, 200), Size(50_000, 50, 200)),
    )
}
