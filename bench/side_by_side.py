"""All contenders on one MongoDB, one workload at a time, in alternating rounds."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from uuid import uuid4

import click
from pymongo import MongoClient

from bench.contenders import CONTENDERS, Contender, Running, running
from bench.load import (
    APPEND,
    CREATE,
    GET,
    LIST,
    RECENT,
    Figures,
    Sent,
    Target,
    Workload,
    load,
)
from bench.stored import WrongData, check, stored_by
from bench.writers import Client, Owned, users, write

USERS = 25
SESSIONS_EACH = 80
SESSIONS = USERS * SESSIONS_EACH
# Before anything is measured, every log holds at least what one page shows.
MESSAGES_EACH = 20
WRITERS = 16
WARM_UP_S = 1


Mongod = MongoClient[dict[str, Any]]


class Cell(NamedTuple):
    """One comparison: a workload at a number of connections."""

    workload: Workload
    connections: int


class Row(NamedTuple):
    cell: Cell
    contender: str
    figures: Figures


class Size(NamedTuple):
    """How much is done: rounds, seconds per cell in each, messages in each log beforehand."""

    rounds: int
    seconds: int
    messages_each: int = MESSAGES_EACH


CELLS = [
    *(Cell(workload, 64) for workload in (APPEND, RECENT, CREATE, LIST, GET)),
    *(Cell(workload, connections) for connections in (1, 128) for workload in (APPEND, RECENT)),
]


class Entrant:
    """A contender in the run: where its load goes, and everything that was sent to it."""

    def __init__(
        self, contender: Contender, running: Running, sessions: Path, mongod: Mongod
    ) -> None:
        self.name = contender.name
        self.does = contender.does
        self.database = contender.database
        self._target = Target(running, sessions, partial(mongod_cpu_s, mongod))
        self._messages: list[Sent] = []
        self._sessions: list[Sent] = []

    def prepare(self, messages_each: int) -> None:
        """Make the sessions that the load is spread over."""
        url = self._target.running.url
        with closing(Client(url)) as client:
            sessions = self._create(client)
        lines = [f"{session_id} {user.id} {user.token}" for session_id, user in sessions]
        self._target.sessions.write_text("\n".join(lines))
        if "append" in self.does:
            appends = SESSIONS * messages_each
            self._messages += write([url], sessions, writers=WRITERS, appends=appends)

    def _create(self, client: Client) -> list[Owned]:
        owners = users(USERS) * SESSIONS_EACH
        if "create" not in self.does:
            return [Owned(str(uuid4()), user) for user in owners]
        self._sessions.append(Sent("prepared", SESSIONS))
        return [client.create(user) for user in owners]

    def run(self, cell: Cell, seconds: int, label: str) -> Figures:
        workload, connections = cell
        label = f"{workload.name}{connections}{label}"
        figures, sent = load(
            self._target, workload, connections=connections, seconds=seconds, label=label
        )
        if workload is APPEND:
            self._messages.append(sent)
        if workload is CREATE:
            self._sessions.append(sent)
        return figures

    def check(self, client: Mongod) -> None:
        """Compare what is stored with what was sent.

        Raises:
            WrongData: they differ.
        """
        database = client[self.database]
        entries, ends = stored_by(self.name, database)
        check(entries, ends, self._messages)
        if self._sessions:
            most = sum(sent.total for sent in self._sessions)
            least = most - sum(sent.unanswered for sent in self._sessions)
            if not least <= len(ends) <= most:
                raise WrongData(f"{least} to {most} sessions were made, {len(ends)} are there.")


def compare(
    mongo_url: str,
    folder: Path,
    size: Size,
    *,
    contenders: Sequence[Contender] = CONTENDERS,
    cells: Sequence[Cell] = CELLS,
) -> list[Row]:
    """Return the medians of all rounds, after a round of warm-up.

    Raises:
        LoadFailed: a contender refused requests.
        WrongData: a contender answered fast and wrongly.
    """
    with ExitStack() as stack:
        client = stack.enter_context(MongoClient[dict[str, Any]](mongo_url))
        entrants = [
            Entrant(
                contender,
                stack.enter_context(running(contender, mongo_url, folder)),
                folder / f"{contender.database}.txt",
                client,
            )
            for contender in contenders
        ]
        for entrant in entrants:
            click.echo(f"preparing {entrant.name}", err=True)
            entrant.prepare(size.messages_each)
        return [row for cell in cells for row in _rows(cell, entrants, size, client)]


def _rows(cell: Cell, entrants: Sequence[Entrant], size: Size, client: Mongod) -> Iterator[Row]:
    taking_part = [entrant for entrant in entrants if cell.workload.name in entrant.does]
    for entrant in taking_part:
        entrant.run(cell, WARM_UP_S, "warm")
    measured: dict[str, list[Figures]] = {entrant.name: [] for entrant in taking_part}
    for number in range(size.rounds):
        # Each round begins with another one: the first finds the machine as the last one left it.
        first = number % len(taking_part)
        for entrant in taking_part[first:] + taking_part[:first]:
            measured[entrant.name].append(entrant.run(cell, size.seconds, f"r{number}"))
    for entrant in taking_part:
        if cell.workload.method == "POST":
            entrant.check(client)
        row = Row(cell, entrant.name, _median(measured[entrant.name]))
        click.echo(_line(row), err=True)
        yield row


def mongod_cpu_s(mongod: Mongod) -> float:
    """Return the processor time that MongoDB has used so far."""
    used = mongod.admin.command("serverStatus")["extra_info"]
    return float(used["user_time_us"] + used["system_time_us"]) / 1_000_000


def _median(rounds: Sequence[Figures]) -> Figures:
    """Return the median of each figure, and the highest peak."""
    medians = Figures(*map(median, zip(*rounds, strict=True)))
    return medians._replace(peak_mb=max(figures.peak_mb for figures in rounds))


def _line(row: Row) -> str:
    (workload, connections), name, figures = row
    return (
        f"{workload.name:7} {connections:4}  {name:18} {figures.requests_per_s:9.0f}/s  "
        f"p50 {figures.p50_ms:7.2f} ms  p99 {figures.p99_ms:7.2f} ms"
    )


def find(rows: Sequence[Row], name: str, workload: Workload, connections: int) -> Figures | None:
    """Return the figures of a contender in a cell, if it took part there."""
    cell = Cell(workload, connections)
    return next((row.figures for row in rows if (row.cell, row.contender) == (cell, name)), None)
