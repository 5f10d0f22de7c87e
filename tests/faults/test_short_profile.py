"""The short profile of every fault, on one real replica set: each goal holds."""

from collections.abc import AsyncIterator
from pathlib import Path
from random import SystemRandom

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.chaos import MAX_SEED, injected
from tests.faults.rig.replica_set import ReplicaSet, replica_set


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
async def replicas(folder: Path) -> AsyncIterator[ReplicaSet]:
    async with replica_set(folder) as started:
        yield started


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.short])
async def test_every_goal_holds_under(name: str, replicas: ReplicaSet, folder: Path) -> None:
    seed = SystemRandom().randrange(MAX_SEED)

    result = await injected(FAULTS[name], seed, replicas, folder, short=True)

    # The result says how to inject the same again.
    assert result.holds, str(result)
