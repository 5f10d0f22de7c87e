"""A fault that leaves its replica set broken is one failure with its reason, not all of them."""

import shutil
from pathlib import Path

from tests.faults.catalogue import Fault
from tests.faults.chaos import injected
from tests.faults.results import Result
from tests.faults.rig.replica_set import replica_set
from tests.faults.rig.rig import Rig
from tests.faults.size import Size


async def test_a_replica_set_that_does_not_mend_is_told_and_replaced(tmp_path: Path) -> None:
    fault = Fault("lost_disk", _lose_disk, short=None, long=Size(0))

    async with replica_set(tmp_path) as replicas:
        broken = replicas.members[0]
        result = await injected(fault, 1, replicas, tmp_path, short=False)
        primary = await replicas.healthy()

    assert [figure.name for figure in result.figures] == ["replica set whole again"]
    assert not result.holds
    assert f"{broken.address} ended (" in str(result)
    assert str(broken.folder / "data") in str(result)
    assert primary.address != broken.address


async def _lose_disk(rig: Rig, _: Size, __: Result) -> None:
    member = rig.replicas.members[0]
    await member.process.kill()
    shutil.rmtree(member.folder / "data")
    (member.folder / "data").touch()
