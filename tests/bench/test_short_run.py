"""A short run of the bench on its own MongoDB: it measures, and it checks the stored data."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from pymongo import MongoClient

from bench.contenders import BASELINE, CEILING, SERVICE, Contender, contender_named, running
from bench.database import on_embedded_mongo
from bench.load import APPEND, CREATE, RECENT
from bench.side_by_side import Cell, Entrant, Row, Size, compare
from bench.stored import WrongData
from bench.writers import Client, users
from service.devdb.embedded import EmbeddedMongo
from tests.every import every

pytestmark = [
    pytest.mark.alone,
    pytest.mark.nightly,
    pytest.mark.skipif(
        shutil.which("wrk") is None,
        reason="The load generator wrk is missing; make bench installs it.",
    ),
]

CELLS = [Cell(workload, 8) for workload in (APPEND, RECENT, CREATE)]
OURS = [contender_named(name) for name in (BASELINE, SERVICE, CEILING)]
SHORT = Size(rounds=1, seconds=1, messages_each=1)


@pytest.fixture(scope="module")
async def bench_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with EmbeddedMongo(tmp_path_factory.mktemp("bench")) as url:
        yield url


@pytest.fixture(scope="module")
def client(bench_url: str) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](bench_url) as client:
        yield client


@pytest.fixture(scope="module")
def rows(bench_url: str, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return compare(bench_url, tmp_path_factory.mktemp("run"), SHORT, contenders=OURS, cells=CELLS)


@pytest.fixture(scope="module")
def loaded(bench_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entrant]:
    """Give the service after a second of appends, on its own database."""
    folder = tmp_path_factory.mktemp("loaded")
    planted = contender_named(SERVICE)._replace(database="bench_planted")
    with (
        running(planted, bench_url, folder) as process,
        MongoClient[dict[str, Any]](bench_url) as mongod,
    ):
        entrant = Entrant(planted, process, folder / "sessions.txt", mongod)
        entrant.prepare(messages_each=1)
        entrant.run(Cell(APPEND, 8), 1, "r0")
        yield entrant


def test_each_contender_in_a_workload_is_measured(rows: list[Row]) -> None:
    measured = {(row.cell.workload.name, row.contender) for row in rows}

    assert measured == {
        ("append", BASELINE),
        ("append", SERVICE),
        ("recent", BASELINE),
        ("recent", SERVICE),
        ("recent", CEILING),
        ("create", BASELINE),
        ("create", SERVICE),
    }


def test_all_figures_are_measured(rows: list[Row]) -> None:
    assert every(figure > 0 for row in rows for figure in row.figures)


def test_the_data_of_a_good_run_passes(
    loaded: Entrant, client: MongoClient[dict[str, Any]]
) -> None:
    loaded.check(client)


def test_a_message_lost_after_its_acknowledgement_is_found(
    loaded: Entrant, client: MongoClient[dict[str, Any]]
) -> None:
    history = client[loaded.database]["history"]
    lost = history.find_one_and_delete({}, sort=[("_id.n", -1)])
    assert lost is not None

    try:
        with pytest.raises(WrongData, match="acknowledged and lost"):
            loaded.check(client)
    finally:
        history.insert_one(lost)


def test_wrong_data_ends_the_command_with_exit_code_1() -> None:
    def find_wrong_data(_url: str, _folder: Path) -> None:
        raise WrongData("a message is lost")

    with pytest.raises(SystemExit) as ended:
        on_embedded_mongo(find_wrong_data)

    # Python prints a text and exits with 1.
    assert ended.value.code == "The bench failed: a message is lost"


def test_the_baseline_responds_as_the_service_does(bench_url: str, tmp_path: Path) -> None:
    baseline = answers_of(contender_named(BASELINE), bench_url, tmp_path)

    service = answers_of(contender_named(SERVICE), bench_url, tmp_path)

    assert baseline == service


def answers_of(contender: Contender, bench_url: str, folder: Path) -> list[Any]:
    """Return the responses to reads of a new session, without fields that differ by chance."""
    [user] = users(1)
    with (
        running(contender, bench_url, folder) as process,
        closing(Client(process.url)) as client,
    ):
        owned = client.create(user)
        client.append(owned, "hello ")
        paths = [f"/history/recent/{owned.session_id}", f"/get/{owned.session_id}"]
        shown = [orjson.loads(client.ask(user, "GET", path)) for path in paths]
        newest = orjson.loads(client.ask(user, "GET", f"/get_all/{user.id}?limit=1"))
    by_chance = {"session_id", "created_at", "last_active"}
    for view in (shown[1]["data"], *newest["data"]):
        assert by_chance <= view.keys()
        for field in by_chance:
            del view[field]
    return [*shown, newest]
