"""`make bench`: how fast each contender is; and four processes of the service on one MongoDB.

The exit code is 1 if anything was refused, lost, duplicated or misplaced.
"""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from time import perf_counter
from typing import Any

import click
from pymongo import MongoClient

from bench.contenders import (
    BASELINE,
    CEILING,
    CONTENDERS,
    LANGCHAIN,
    OPENAI_AGENTS,
    SERVICE,
    contender_named,
    running,
    service_before,
)
from bench.database import on_embedded_mongo
from bench.load import APPEND, CREATE, GET, LIST, RECENT, Figures, Workload
from bench.results import SIDE_BY_SIDE, Goal, environment, goals_table, table, write_section
from bench.side_by_side import Row, Size, compare, find
from bench.stored import check, stored_by
from bench.writers import Client, users, write

PROCESSES = 4
SHARED_SESSIONS = 10
SHARED_WRITERS = 32
SHARED_APPENDS = 8_000
SHARED_DATABASE = "bench_four_processes"
MAX_MEMORY_MB = 150
COLUMNS = (
    "work",
    "connections",
    "who",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "CPU µs/request",
    "mongod µs/request",
    "peak MB",
    "times baseline",
    "% of no database",
)


def measure(mongo_url: str, folder: Path, size: Size, before: Path | None = None) -> str:
    """Return the section of the results; `before` is the checkout of an earlier commit."""
    started_s = perf_counter()
    contenders = [*CONTENDERS, *([service_before(before)] if before else [])]
    rows = compare(mongo_url, folder, size, contenders=contenders)
    appends_per_s = four_processes(mongo_url, folder, appends=SHARED_APPENDS)
    goals = [*_goals(rows), _shared_goal(appends_per_s)]
    took = (
        f"- {size.rounds} alternating rounds of {size.seconds} s a cell after a warm-up; medians; "
        f"{perf_counter() - started_s:.0f} s in all"
    )
    parts = [environment(mongo_url) + took, _table(rows), "### Goals", goals_table(goals)]
    return "\n\n".join(part.strip() for part in parts)


def four_processes(mongo_url: str, folder: Path, *, appends: int) -> float:
    """Append through four processes to the same logs; return the appends per second.

    Raises:
        WrongData: a message was lost, doubled, or overtaken by a later one of its writer.
    """
    shared = contender_named(SERVICE)._replace(database=SHARED_DATABASE)
    with ExitStack() as stack:
        urls = [
            stack.enter_context(running(shared, mongo_url, folder)).url for _ in range(PROCESSES)
        ]
        client = stack.enter_context(closing(Client(urls[0])))
        sessions = [client.create(user) for user in users(SHARED_SESSIONS)]
        started_s = perf_counter()
        sent = write(urls, sessions, writers=SHARED_WRITERS, appends=appends)
        took_s = perf_counter() - started_s
        mongo = stack.enter_context(MongoClient[dict[str, Any]](mongo_url))
        check(*stored_by(SERVICE, mongo[SHARED_DATABASE]), sent)
    return appends / took_s


def _table(rows: Sequence[Row]) -> str:
    return table(COLUMNS, [_cells(row, rows) for row in rows])


def _cells(row: Row, rows: Sequence[Row]) -> list[str]:
    (workload, connections), who, figures = row
    baseline = find(rows, BASELINE, workload, connections)
    ceiling = find(rows, CEILING, RECENT, connections)
    per_s = figures.requests_per_s
    return [
        workload.name,
        str(connections),
        f"**{who}**" if who == SERVICE else who,
        f"{per_s:,.0f}",
        f"{figures.p50_ms:.2f}",
        f"{figures.p99_ms:.2f}",
        f"{figures.cpu_us:.0f}",
        f"{figures.mongod_us:.0f}",
        f"{figures.peak_mb:.0f}",
        f"{per_s / baseline.requests_per_s:.2f}" if baseline else "",
        f"{100 * per_s / ceiling.requests_per_s:.0f}" if ceiling else "",
    ]


def _goals(rows: Sequence[Row]) -> list[Goal]:
    memory_mb = max(row.figures.peak_mb for row in rows if row.contender == SERVICE)
    return [
        _times_baseline(rows, APPEND, 64, 4),
        _times_best_peer(rows, APPEND, 64, 2),
        _mongod(rows, APPEND, 64, 60),
        _times_baseline(rows, RECENT, 64, 6),
        _of_ceiling(rows, 40),
        _times_baseline(rows, CREATE, 64, 2),
        _times_baseline(rows, LIST, 64, 1.8),
        _times_baseline(rows, GET, 64, 1.5),
        _latency(rows, APPEND, BASELINE, 0.75),
        _latency(rows, APPEND, LANGCHAIN, 1.15),
        _latency(rows, RECENT, BASELINE, 1.1),
        Goal(
            "memory of the service under that load",
            f"≤ {MAX_MEMORY_MB} MB",
            f"{memory_mb:.0f} MB",
            memory_mb <= MAX_MEMORY_MB,
        ),
    ]


def _times_baseline(
    rows: Sequence[Row], workload: Workload, connections: int, wanted: float
) -> Goal:
    service, baseline = _both(rows, workload, connections)
    ratio = service.requests_per_s / baseline.requests_per_s
    work = f"{workload.name}, {connections} connections"
    return Goal(work, f"≥ {wanted} times baseline", f"{ratio:.2f} times", ratio >= wanted)


def _of_ceiling(rows: Sequence[Row], wanted_percent: int) -> Goal:
    service, ceiling = (_figures(rows, name, RECENT, 64) for name in (SERVICE, CEILING))
    percent = 100 * service.requests_per_s / ceiling.requests_per_s
    wanted = f"≥ {wanted_percent} % of the no-database ceiling"
    return Goal("recent, 64 connections", wanted, f"{percent:.0f} %", percent >= wanted_percent)


def _times_best_peer(
    rows: Sequence[Row], workload: Workload, connections: int, wanted: float
) -> Goal:
    peers = [_figures(rows, name, workload, connections) for name in (LANGCHAIN, OPENAI_AGENTS)]
    best = max(peer.requests_per_s for peer in peers)
    ratio = _figures(rows, SERVICE, workload, connections).requests_per_s / best
    work = f"{workload.name}, {connections} connections"
    return Goal(work, f"≥ {wanted} times the best peer", f"{ratio:.2f} times", ratio >= wanted)


def _mongod(rows: Sequence[Row], workload: Workload, connections: int, wanted_us: int) -> Goal:
    used_us = _figures(rows, SERVICE, workload, connections).mongod_us
    work = f"MongoDB's processor time, {workload.name}, {connections} connections"
    return Goal(work, f"≤ {wanted_us} µs", f"{used_us:.0f} µs", used_us <= wanted_us)


def _latency(rows: Sequence[Row], workload: Workload, than: str, wanted: float) -> Goal:
    service, other = (_figures(rows, name, workload, 1) for name in (SERVICE, than))
    ratio = service.p50_ms / other.p50_ms
    measured = f"{ratio:.2f} times (p50 {service.p50_ms:.2f} ms, {other.p50_ms:.2f} ms)"
    work = f"{workload.name}, 1 connection"
    return Goal(work, f"latency ≤ {wanted} times {than}", measured, ratio <= wanted)


def _shared_goal(appends_per_s: float) -> Goal:
    measured = (
        f"none in {SHARED_APPENDS:,} appends by {SHARED_WRITERS} writers to {SHARED_SESSIONS} "
        f"logs ({appends_per_s:,.0f}/s)"
    )
    work = f"{PROCESSES} processes against one MongoDB"
    # A run that finds one ends without results.
    return Goal(work, "no lost, doubled or reordered message", measured, is_reached=True)


def _both(rows: Sequence[Row], workload: Workload, connections: int) -> tuple[Figures, Figures]:
    return (
        _figures(rows, SERVICE, workload, connections),
        _figures(rows, BASELINE, workload, connections),
    )


def _figures(rows: Sequence[Row], name: str, workload: Workload, connections: int) -> Figures:
    found = find(rows, name, workload, connections)
    if found is None:
        raise ValueError(f"{name} did not take part in {workload.name}.")
    return found


@click.command()
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=3, show_default=True, help="Of a cell in a round.")
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A checkout of an earlier commit, with its .venv, to compare with.",
)
def main(rounds: int, seconds: int, before: Path | None) -> None:
    """Compare the service with the baseline, the ceiling and the library peers."""

    def run(mongo_url: str, folder: Path) -> None:
        section = measure(mongo_url, folder, Size(rounds, seconds), before)
        write_section(SIDE_BY_SIDE, section)
        click.echo(section)

    on_embedded_mongo(run)


if __name__ == "__main__":
    main()
