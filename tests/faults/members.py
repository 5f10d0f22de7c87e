"""`make bench-members`: what a batch of appends costs the members of a replica set.

With BEFORE, also by the service of an earlier checkout, in alternating rounds of the same run.
"""

import asyncio
import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click

from bench.append_batches import REST_S
from tests.faults.rig.replica_set import ReplicaSet, replica_set

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bench" / "append_batches.py"
SESSIONS, BATCHES = 50, 200
ROUNDS = 3


class Cost(NamedTuple):
    """Of one batch."""

    members_us: float
    took_ms: float


async def _cpu_s(replicas: ReplicaSet) -> float:
    """Return the processor time that all members have used so far."""
    answers = [await member.command("serverStatus") for member in replicas.members]
    used = [answer["extra_info"] for answer in answers]
    return float(sum(u["user_time_us"] + u["system_time_us"] for u in used)) / 1_000_000


async def _measured(replicas: ReplicaSet, root: Path) -> Cost:
    process = await asyncio.create_subprocess_exec(
        root / ".venv" / "bin" / "python",
        *(SCRIPT, replicas.url, str(SESSIONS), str(BATCHES)),
        env=os.environ | {"PYTHONPATH": str(root)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    await _waits(process)
    before_s, began_s = await _cpu_s(replicas), time.perf_counter()
    _go_on(process)
    await _waits(process)
    took_s, used_s = time.perf_counter() - began_s - REST_S, await _cpu_s(replicas) - before_s
    _go_on(process)
    await process.wait()
    return Cost(used_s * 1_000_000 / BATCHES, took_s * 1000 / BATCHES)


async def _waits(process: asyncio.subprocess.Process) -> None:
    """Return when the script waits for us."""
    if not (process.stdout and await process.stdout.readline()):
        raise RuntimeError(f"{SCRIPT} ended.")


def _go_on(process: asyncio.subprocess.Process) -> None:
    if process.stdin:
        process.stdin.write(b"\n")


async def _compare(roots: dict[str, Path]) -> None:
    costs: dict[str, list[Cost]] = {name: [] for name in roots}
    with TemporaryDirectory() as folder:
        async with replica_set(Path(folder), election_timeout_ms=5000) as replicas:
            for _ in range(ROUNDS):
                for name, root in roots.items():
                    costs[name].append(await _measured(replicas, root))
    for name, found in costs.items():
        members_us, took_ms = (median(figures) for figures in zip(*found, strict=True))
        click.echo(
            f"{name}: {members_us:,.0f} µs of the {len(replicas.members)} members' processor time "
            f"for a batch of {SESSIONS} sessions, {took_ms:.1f} ms"
        )


@click.command()
@click.option("--before", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(before: Path | None) -> None:
    roots = {"now": ROOT} | ({"before": before} if before else {})
    asyncio.run(_compare(roots))


if __name__ == "__main__":
    main()
