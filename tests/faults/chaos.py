"""`make chaos`: the long profile, or one fault of it, on a replica set of its own.

    python -m tests.faults.chaos [--fault NAME | --soak MINUTES] [--seed N] [--short]

A run of all faults writes RESULTS.md, a long run of one its rows in it. The history of a run that
broke an invariant is kept.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from tempfile import mkdtemp
from typing import NamedTuple

import click

from tests.faults.catalogue import FAULTS, Fault, soak_for
from tests.faults.results import Figure, Result, notes, table, with_run_alone
from tests.faults.rig.replica_set import NotWhole, ReplicaSet, replica_set
from tests.faults.rig.rig import rig_on

RESULTS = Path(__file__).parent / "RESULTS.md"
MAX_SEED = 10**6


class Lane(NamedTuple):
    """Faults that are injected one after the other, into a replica set of their own."""

    names: tuple[str, ...]
    election_timeout_ms: int = 1000


# Who mostly waits, for a member to thaw, leaves the machine to another lane. There the primary must
# not fall because the machine is busy. All others go alone.
LANES = (Lane(("frozen_primary",)), Lane(("deletes", "bad_clients"), election_timeout_ms=5000))


@click.command()
@click.option("--fault", "name", type=click.Choice(sorted(FAULTS)), help="Only this one.")
@click.option("--seed", type=int, help="Replay what was chosen with it.")
@click.option("--short", is_flag=True, help="The counts of the short profile.")
@click.option("--soak", "soak_min", type=int, help="Instead, load a service for minutes.")
def main(name: str | None, seed: int | None, soak_min: int | None, *, short: bool) -> None:
    """Inject faults, check what they leave, and say which goals hold."""
    chosen = [FAULTS[name]] if name else [f for f in FAULTS.values() if f.short or not short]
    if soak_min:
        chosen = [soak_for(soak_min)]
    seed = SystemRandom().randrange(MAX_SEED) if seed is None else seed
    folder = Path(mkdtemp(prefix="session-faults-"))
    run = _Run(chosen, seed, short, _commit(), folder)
    asyncio.run(run.all())
    if not all(result.holds for result in run.results):
        # Logs, data and kept histories are there to be looked at.
        sys.exit(1)
    shutil.rmtree(folder)


@dataclass
class _Run:
    """The faults of one call: their results so far, and where they are written."""

    faults: list[Fault]
    seed: int
    short: bool
    commit: str
    folder: Path
    results: list[Result] = field(default_factory=list)
    begun_s: float = field(default_factory=time.monotonic)

    async def all(self) -> None:
        beside_others = {name for lane in LANES for name in lane.names}
        others = Lane(tuple(f.name for f in self.faults if f.name not in beside_others))
        for lanes in (LANES, (others,)):
            await asyncio.gather(*map(self._in_turn, lanes))

    async def _in_turn(self, lane: Lane) -> None:
        faults = [fault for fault in self.faults if fault.name in lane.names]
        if not faults:
            return
        folder = self.folder / f"from_{faults[0].name}"
        timeout_ms = lane.election_timeout_ms
        async with replica_set(folder, election_timeout_ms=timeout_ms) as replicas:
            for fault in faults:
                self._keep(await injected(fault, self.seed, replicas, folder, short=self.short))

    def _keep(self, result: Result) -> None:
        """Show and write it at once: an hour is long, and what was measured stays."""
        self.results.append(result)
        click.echo(str(result))
        if len(self.faults) > 1:
            RESULTS.write_text(self._report())
        elif not self.short:
            result.notes.append(f"run alone, at commit {self.commit}")
            RESULTS.write_text(with_run_alone(RESULTS.read_text(), result))

    def _report(self) -> str:
        profile = "short" if self.short else "long"
        load = " ".join(f"{value:.1f}" for value in os.getloadavg())
        took_min = (time.monotonic() - self.begun_s) / 60
        made = (
            f"Made by `make chaos`: {profile} profile, commit {self.commit}, {took_min:.0f} "
            f"minutes, {os.cpu_count()} cores, load average {load}. One fault again: "
            "`make chaos FAULT=<fault> SEED=<seed>`."
        )
        results = sorted(self.results, key=lambda result: list(FAULTS).index(result.fault))
        lines = [
            "# What the faults have shown",
            "",
            made,
            "",
            table(results),
            "",
            *notes(results),
        ]
        return "\n".join(lines).rstrip() + "\n"


async def injected(
    fault: Fault, seed: int, replicas: ReplicaSet, folder: Path, *, short: bool
) -> Result:
    """Return what one fault has shown; leave a replica set that is whole, if need be a new one."""
    size = fault.short if short and fault.short else fault.long
    result, begun_s = Result(fault.name, seed), time.monotonic()
    try:
        await fault.run(rig_on(replicas, folder, seed), size, result)
    except Exception as error:  # noqa: BLE001  The others are to be injected all the same.
        click.echo(traceback.format_exc(), err=True)
        result.figures.append(Figure("run to its end", "yes", f"no: {error!r}", holds=False))
    try:
        await replicas.mend()
    except NotWhole as problem:
        result.figures.append(Figure("replica set whole again", "yes", "no", holds=False))
        result.notes.append(str(problem))
        await replicas.renew()
    result.took_s = time.monotonic() - begun_s
    return result


def _commit() -> str:
    """Return what is tested: the commit, and whether more was changed than the report."""
    changed = _git("status", "--porcelain", "--", ":/", f":(exclude){RESULTS}")
    return _git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=False
    ).stdout.strip()


if __name__ == "__main__":
    main()
