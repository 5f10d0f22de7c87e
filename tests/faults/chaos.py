"""`make chaos`: the long profile, or one fault of it, on its own replica set.

    python -m tests.faults.chaos [--fault NAME | --soak MINUTES] [--seed N] [--short]

A run of all faults writes RESULTS.md, a long run of one fault its rows in it. The history of
a run that broke an invariant is kept.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path
from random import SystemRandom
from tempfile import mkdtemp

import click

from tests.faults.catalogue import FAULTS, Fault, soak_for
from tests.faults.results import Figure, Result, notes, table, with_run_alone
from tests.faults.rig.replica_set import NotWhole, ReplicaSet, replica_set
from tests.faults.rig.rig import rig_on

RESULTS = Path(__file__).parent / "RESULTS.md"
MAX_SEED = 10**6


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
    results = asyncio.run(_run(chosen, seed, _commit(), short=short))
    sys.exit(not all(result.holds for result in results))


async def _run(faults: list[Fault], seed: int, commit: str, *, short: bool) -> list[Result]:
    results: list[Result] = []
    folder = Path(mkdtemp(prefix="session-faults-"))
    async with replica_set(folder) as replicas:
        for fault in faults:
            results.append(await injected(fault, seed, replicas, folder, short=short))
            click.echo(str(results[-1]))
            # After each fault: a run takes an hour, and results so far are kept.
            if len(faults) > 1:
                RESULTS.write_text(_report(results, commit, short=short))
            elif not short:
                results[0].notes.append(f"run alone, at commit {commit}")
                RESULTS.write_text(with_run_alone(RESULTS.read_text(), results[0]))
    if all(result.holds for result in results):
        # Otherwise logs, data and saved histories stay for inspection.
        shutil.rmtree(folder)
    return results


async def injected(
    fault: Fault, seed: int, replicas: ReplicaSet, folder: Path, *, short: bool
) -> Result:
    """Return the result of one fault; leave a healthy replica set, a new one if need be."""
    size = fault.short if short and fault.short else fault.long
    result, begun_s = Result(fault.name, seed), time.monotonic()
    try:
        await fault.run(rig_on(replicas, folder, seed), size, result)
    except Exception as error:  # noqa: BLE001  The other faults should still be injected.
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
    """Return what is tested: the commit, and whether anything but the report was changed."""
    changed = _git("status", "--porcelain", "--", ":/", f":(exclude){RESULTS}")
    return _git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=False
    ).stdout.strip()


def _report(results: list[Result], commit: str, *, short: bool) -> str:
    profile = "short" if short else "long"
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    took_min = sum(result.took_s for result in results) / 60
    made = (
        f"Made by `make chaos`: {profile} profile, commit {commit}, {took_min:.0f} minutes, "
        f"{os.cpu_count()} cores, load average {load}. One fault again: "
        "`make chaos FAULT=<fault> SEED=<seed>`."
    )
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


if __name__ == "__main__":
    main()
