"""The same faults against a service that counts first: what another design would have cost.

Its figures have no goals. They count what MongoDB stores: numbers that no message has,
and messages stored twice because a client repeated an append it got no response to.
"""

import sys
from collections import Counter
from dataclasses import replace

from tests.faults.final_state import FinalState
from tests.faults.history import Dialect, History
from tests.faults.injected.cut_replies import CHANCE, WRITES
from tests.faults.injected.service_kills import kill
from tests.faults.load import Load, run_load
from tests.faults.results import Figure, Result
from tests.faults.rig.proxy import Fault, fault_proxy, is_command
from tests.faults.rig.rig import Rig
from tests.faults.size import Size
from tests.faults.under_load import Scene, at_rest, inject_under_load, load_of

COUNTER_FIRST = [sys.executable, "-m", "tests.faults.counter_first"]
COUNTING = "findAndModify"


async def run_service_kills(rig: Rig, size: Size, result: Result) -> None:
    async with rig.services(2, command=COUNTER_FIRST) as services:
        scene = Scene(rig, services, History(rig.seed))
        await inject_under_load(scene, _load(rig, size), size.times, kill)
        result.figures += _figures(await at_rest(scene))


async def run_cut_replies(rig: Rig, size: Size, result: Result) -> None:
    primary = await rig.replicas.healthy()
    writes = is_command(*WRITES, COUNTING)
    async with fault_proxy(primary.port, rig.random, writes) as (proxy, port):
        url = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        async with rig.services(2, mongo_url=url, command=COUNTER_FIRST) as services:
            scene = Scene(rig, services, History(rig.seed))
            proxy.fault, proxy.chance = Fault.RESET_REPLY, CHANCE
            await run_load(scene.urls, _load(rig, size), scene.history)
            proxy.fault = Fault.NONE
            result.figures += _figures(await at_rest(scene))


def _load(rig: Rig, size: Size) -> Load:
    return replace(load_of(rig, size), dialects=frozenset({Dialect.NATIVE}))


def _figures(state: FinalState) -> list[Figure]:
    counts = {
        "messages stored": sum(map(len, state.entries.values())),
        "gaps": _gaps(state),
        "doubles": _doubles(state),
    }
    return [Figure(name, "(baseline)", str(count), holds=True) for name, count in counts.items()]


def _gaps(state: FinalState) -> int:
    """Return how many numbers between start and end no message has."""
    return sum(
        head.end - head.start + 1 - len(state.entries.get(session, []))
        for session, head in state.heads.items()
    )


def _doubles(state: FinalState) -> int:
    """Return how many messages are duplicates: each message sent has a unique body."""
    bodies = Counter(entry.body for entries in state.entries.values() for entry in entries)
    return bodies.total() - len(bodies)
