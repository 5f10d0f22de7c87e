"""A fault that breaks its replica set is one failure with its reason; each fault has its rows."""

import shutil
from pathlib import Path

from tests.faults.catalogue import Fault
from tests.faults.chaos import injected
from tests.faults.results import Result, at_most, notes, table, with_run_alone
from tests.faults.rig.replica_set import replica_set
from tests.faults.rig.rig import Rig
from tests.faults.size import Size


async def test_a_replica_set_that_does_not_recover_is_reported_and_replaced(tmp_path: Path) -> None:
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


def test_a_fault_run_alone_gets_its_rows_and_notes_into_the_report() -> None:
    names = ("kills", "overload", "overload_more")
    results = [Result(name, 1, [at_most("time", 1, 0.5)], ["noted"]) for name in names]
    report = "\n".join(["# Faults", "", table(results), "", *notes(results), ""])
    again = Result("overload", 2, [at_most("time", 1, 7), at_most("rest", 1, 0)], ["noted anew"])
    new = Result("soak", 3, [at_most("drift", 1, 0)], [])

    changed = with_run_alone(with_run_alone(report, again), new).splitlines()

    assert changed[4:] == [
        "| kills | time | ≤ 1 | 0.5 | ✓ | 1 | 0 |",
        "| overload | time | ≤ 1 | 7 | ✗ | 2 | 0 |",
        "| overload | rest | ≤ 1 | 0 | ✓ | 2 | 0 |",
        "| overload_more | time | ≤ 1 | 0.5 | ✓ | 1 | 0 |",
        "| soak | drift | ≤ 1 | 0 | ✓ | 3 | 0 |",
        "",
        "- kills: noted",
        "- overload: noted anew",
        "- overload_more: noted",
    ]
