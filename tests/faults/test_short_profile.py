"""The short profile of every fault, on real replica sets: each goal holds."""

import asyncio
import gc
from pathlib import Path
from random import SystemRandom

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.chaos import MAX_SEED, injected
from tests.faults.results import Result
from tests.faults.rig.replica_set import replica_set

pytestmark = pytest.mark.alone

# Three replica sets at a time. Two lanes begin with faults that mostly wait, for a member to thaw
# or for the sweeper, while the other keeps the machine busy.
LANES = (
    ("deletes", "service_kills"),
    ("primary_kills", "cut_replies", "fail_points"),
    ("frozen_primary", "rolling_restarts", "all_killed"),
)
# Its goal is a duration: nothing else may keep the machine busy.
ALONE = ("pool_exhaustion",)
NAMES = [name for lane in (*LANES, ALONE) for name in lane]
TIMEOUT_S = 900


@pytest.fixture(scope="module")
async def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    lanes = [_inject(names, tmp_path_factory.mktemp("faults")) for names in LANES]
    beside_each_other = await asyncio.gather(*lanes)
    alone = await _inject(ALONE, tmp_path_factory.mktemp("faults"))
    found = {result.fault: result for lane in (*beside_each_other, alone) for result in lane}
    # Garbage is collected here, and not during the tests that follow.
    gc.collect()
    return found


async def _inject(names: tuple[str, ...], folder: Path) -> list[Result]:
    seed = SystemRandom().randrange(MAX_SEED)
    # If no member is killed or frozen, a busy machine must not cost the primary its role.
    election_timeout_ms = 5000 if "deletes" in names else 1000
    async with replica_set(folder, election_timeout_ms=election_timeout_ms) as replicas:
        return [await injected(FAULTS[name], seed, replicas, folder, short=True) for name in names]


# Connections that were being opened when their member was killed or frozen.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("name", NAMES)
def test_every_goal_holds_under(name: str, results: dict[str, Result]) -> None:
    # The failure message contains the seed: `make chaos FAULT=… SEED=…`.
    assert results[name].holds, str(results[name])


def test_every_fault_with_a_short_profile_is_injected_here() -> None:
    assert {name for name, fault in FAULTS.items() if fault.short} == set(NAMES)
