"""`make bench-scale`: what a long log and many sessions cost, compared with a short log and few."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple
from uuid import UUID

import click
from pymongo import MongoClient
from pymongo.database import Database

from bench.contenders import SERVICE, contender_named, running
from bench.database import on_embedded_mongo
from bench.load import APPEND, LIST, RECENT, Target, Workload, load
from bench.loading import MEASURED, Loaded, fill
from bench.results import FLAT_COST, Goal, environment, goals_table, table, write_section
from bench.side_by_side import mongod_cpu_s
from bench.writers import Client, Owned
from service.domain.access import Reach
from service.domain.models import Selection, SortBy
from service.storage.documents import heads_of, in_log, selected
from service.storage.entries import PRIMARY_INDEX
from service.storage.indexes import HISTORY, SESSIONS, list_index

PAGE = 20
PAGES_EACH = 200
ROUNDS = 5
ROUND_S = 2
CONNECTIONS = (1, 64)
MAX_PAGE_RATIO = 1.5
MAX_STORE_RATIO = 1.3
# Pages of one depth must not reach those of the next, which would then be cached already.
MIN_MESSAGES = 100_000
MIN_SESSIONS = 1000

Document = dict[str, Any]


class Comparison(NamedTuple):
    """A workload on the empty store and on the full one: medians of p50."""

    workload: Workload
    connections: int
    empty_ms: float
    full_ms: float

    @property
    def ratio(self) -> float:
        return self.full_ms / self.empty_ms


class Examined(NamedTuple):
    """What MongoDB examines for a query."""

    query: str
    keys: int
    documents: int
    returned: int


def measure(mongo_url: str, folder: Path, *, sessions: int, messages: int) -> str:
    """Return the section of the results."""
    started_s = perf_counter()
    service = contender_named(SERVICE)
    with ExitStack() as stack:
        mongo = stack.enter_context(MongoClient[Document](mongo_url, w=1, journal=False))
        targets: dict[str, Target] = {}
        stores: dict[str, Loaded] = {}
        for name, size, length in (("empty", MEASURED, PAGE), ("full", sessions, messages)):
            click.echo(f"filling the {name} store", err=True)
            stores[name] = fill(mongo[name], sessions=size, messages=length)
            process = stack.enter_context(
                running(service._replace(database=name), mongo_url, folder)
            )
            targets[name] = Target(
                process,
                _file_of(stores[name].measured, folder / name),
                partial(mongod_cpu_s, mongo),
            )
        mongo.admin.command("fsync")
        disk = _bytes_on_disk(mongo["full"])
        pages = _page_ms(targets["full"].running.url, stores["full"].long, messages)
        examined = _examined(mongo["full"], stores["full"], messages)
        comparisons = _compare(targets)
    took = f"- {sessions:,} sessions; one log of {messages:,} messages; "
    took += f"{perf_counter() - started_s:.0f} s in all"
    parts = [
        environment(mongo_url) + took,
        "### Any page of the long log",
        _pages_table(pages),
        "### Few sessions and many",
        _comparisons_table(comparisons),
        "### What MongoDB looks at",
        table(Examined._fields, [[q, str(k), str(d), str(n)] for q, k, d, n in examined]),
        "### On disk",
        disk,
        "### Goals",
        goals_table(_goals(pages, comparisons)),
    ]
    return "\n\n".join(part.strip() for part in parts)


def _file_of(measured: Sequence[Owned], file: Path) -> Path:
    file.write_text("\n".join(f"{id_} {user.id} {user.token}" for id_, user in measured))
    return file


def _skips(messages: int) -> list[int]:
    """Return the depths of the compared pages; after each come as many pages as are read."""
    return [0, messages // 10, messages // 2, messages * 9 // 10, messages - PAGES_EACH * PAGE]


def _page_ms(url: str, long: Owned, messages: int) -> dict[int, float]:
    """Return the median time of a page by its depth; each is read once, so none is cached."""
    times: dict[int, list[float]] = {skip: [] for skip in _skips(messages)}
    with closing(Client(url)) as client:
        for page in range(PAGES_EACH):
            for skip, took in times.items():
                path = f"/history/{long.session_id}?limit={PAGE}&skip={skip + page * PAGE}"
                started_s = perf_counter()
                client.ask(long.user, "GET", path)
                took.append((perf_counter() - started_s) * 1000)
    return {skip: median(took) for skip, took in times.items()}


def _compare(targets: dict[str, Target]) -> list[Comparison]:
    return [
        _compare_one(targets, workload, connections)
        for workload in (APPEND, RECENT, LIST)
        for connections in CONNECTIONS
    ]


def _compare_one(targets: dict[str, Target], workload: Workload, connections: int) -> Comparison:
    p50s_ms: dict[str, list[float]] = {name: [] for name in targets}
    for number in range(ROUNDS + 1):
        for name, target in targets.items():
            figures, _ = load(
                target,
                workload,
                connections=connections,
                seconds=ROUND_S,
                label=f"{workload.name}{connections}r{number}",
            )
            p50s_ms[name].append(figures.p50_ms)
    # The first round warms up.
    empty_ms, full_ms = (median(p50s_ms[name][1:]) for name in ("empty", "full"))
    click.echo(f"{workload.name} {connections}: {empty_ms:.2f} ms, {full_ms:.2f} ms", err=True)
    return Comparison(workload, connections, empty_ms, full_ms)


def _examined(database: Database[Document], stored: Loaded, messages: int) -> list[Examined]:
    long_id, user = UUID(stored.long.session_id), stored.long.user.id
    pages = [
        _explained(
            database,
            f"page at {skip:,}",
            {
                "find": HISTORY,
                "filter": in_log(long_id, range(skip + 1, skip + PAGE + 1)),
                "sort": {"_id": 1},
                "limit": PAGE,
                "hint": PRIMARY_INDEX,
            },
        )
        for skip in _skips(messages)
    ]
    heads = {UUID(session_id): owner.id for session_id, owner in stored.measured[:PAGE]}
    head_read = {"find": SESSIONS, "filter": heads_of(heads)}
    listed = selected(Reach(user_id=user), Selection(user_id=user))
    list_read = {
        "find": SESSIONS,
        "filter": listed,
        "sort": {"created_at": -1, "_id": -1},
        "limit": PAGE,
        "hint": list_index(listed, SortBy.CREATED_AT),
    }
    return [
        *pages,
        _explained(database, f"{PAGE} heads in one read", head_read),
        _explained(database, f"list of {PAGE} by user", list_read),
    ]


def _explained(database: Database[Document], name: str, command: Document) -> Examined:
    stats = database.command("explain", command, verbosity="executionStats")["executionStats"]
    return Examined(
        name, stats["totalKeysExamined"], stats["totalDocsExamined"], stats["nReturned"]
    )


def _bytes_on_disk(database: Database[Document]) -> str:
    rows = []
    for collection, what in ((HISTORY, "message"), (SESSIONS, "session")):
        stats = database.command("collStats", collection)
        count = stats["count"]
        rows.append(
            [
                what,
                f"{count:,}",
                f"{stats['size'] / count:.0f}",
                f"{stats['storageSize'] / count:.0f}",
                f"{stats['totalIndexSize'] / count:.0f}",
            ]
        )
    columns = ("a", "stored", "bytes", "of it on disk, compressed", "of its indexes on disk")
    return table(columns, rows)


def _pages_table(pages: dict[int, float]) -> str:
    columns = ("skip", "median ms", "times the first page", "")
    slowest_ms = max(pages.values())
    rows = [
        [f"{skip:,}", f"{ms:.2f}", f"{ms / pages[0]:.2f}", "▇" * round(20 * ms / slowest_ms)]
        for skip, ms in pages.items()
    ]
    return table(columns, rows)


def _comparisons_table(comparisons: Sequence[Comparison]) -> str:
    columns = ("work", "connections", "empty store, p50 ms", "full store, p50 ms", "times")
    rows = [
        [
            c.workload.name,
            str(c.connections),
            *(f"{n:.2f}" for n in (c.empty_ms, c.full_ms, c.ratio)),
        ]
        for c in comparisons
    ]
    return table(columns, rows)


def _goals(pages: dict[int, float], comparisons: Sequence[Comparison]) -> list[Goal]:
    deepest = max(ms / pages[0] for ms in pages.values())
    page_goal = Goal(
        "any page of a long log",
        f"≤ {MAX_PAGE_RATIO} times the first page",
        f"{deepest:.2f} times at most",
        deepest <= MAX_PAGE_RATIO,
    )
    return [page_goal, *map(_store_goal, comparisons)]


def _store_goal(comparison: Comparison) -> Goal:
    return Goal(
        f"{comparison.workload.name} in the full store, connections: {comparison.connections}",
        f"≤ {MAX_STORE_RATIO} times the empty store",
        f"{comparison.ratio:.2f} times",
        comparison.ratio <= MAX_STORE_RATIO,
    )


@click.command()
@click.option(
    "--sessions", default=1_000_000, show_default=True, type=click.IntRange(min=MIN_SESSIONS)
)
@click.option(
    "--messages",
    default=1_000_000,
    show_default=True,
    type=click.IntRange(min=MIN_MESSAGES),
    help="Of the long log.",
)
def main(sessions: int, messages: int) -> None:
    """Measure how costs grow with what is stored."""

    def run(mongo_url: str, folder: Path) -> None:
        section = measure(mongo_url, folder, sessions=sessions, messages=messages)
        write_section(FLAT_COST, section)
        click.echo(section)

    on_embedded_mongo(run)


if __name__ == "__main__":
    main()
