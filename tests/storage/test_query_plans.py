"""What the store's calls cost MongoDB.

The commands are captured and explained on a database with a log of 100 000
messages and users with many sessions.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from uuid import uuid4

import pytest
from pymongo import MongoClient

from service.domain.access import EVERYBODY, Reach
from service.domain.models import ListPage, Message, Selection, Session, SortBy, utc_now
from service.domain.window import Window
from service.storage import documents
from service.storage.driver import Database
from service.storage.entries import AFTER_ALL_SEQS, Entries
from service.storage.indexes import HISTORY, SESSIONS
from service.storage.mongo import MongoSessionStore
from service.storage.reads import Reads
from tests.contract.building import (
    ALICE,
    keyed,
    new_session,
    open_session,
    opened_store,
)
from tests.databases import connected, fresh_database, name_of
from tests.every import every
from tests.storage.mongo_commands import Command, Explained, SentCommands, pipelines_of

LOG_LENGTH = 100_000
SESSIONS_PER_USER = 500
INSERT_BATCH = 10_000
NOW = utc_now()


def some_sessions() -> list[Session]:
    """Return many sessions of three users with two agents."""
    return [
        new_session(
            user_id=user,
            agent_id=f"agent{n % 2}",
            key=str(n),
            is_test=n % 10 == 0,
            metadata={"n": n % 10},
            created_at=NOW + timedelta(seconds=n),
            last_active=NOW + timedelta(seconds=7 * n % SESSIONS_PER_USER),
        )
        for user in ("alice", "bob", "carol")
        for n in range(SESSIONS_PER_USER)
    ]


def entries_of(session: Session) -> Iterator[Command]:
    return (
        documents.to_entry(session.id, [Message(role="user", content=str(seq), seq=seq)])
        for seq in range(1, session.end + 1)
    )


async def fill(database: Database, sessions: Sequence[Session]) -> None:
    await database[SESSIONS].insert_many([documents.to_head(session) for session in sessions])
    for session in sessions:
        entries = entries_of(session)
        while batch := list(islice(entries, INSERT_BATCH)):
            await database[HISTORY].insert_many(batch)


@pytest.fixture(scope="module")
def sent() -> SentCommands:
    return SentCommands()


@pytest.fixture(scope="module")
async def database(mongo_url: str, sent: SentCommands) -> AsyncIterator[Database]:
    async with (
        connected("motor", mongo_url, event_listeners=[sent]) as client,
        fresh_database(client) as database,
    ):
        yield database


@pytest.fixture(scope="module")
async def long(database: Database) -> Session:
    """Fill the database, and return the session with the long log."""
    long = new_session(agent_id="agent1", end=LOG_LENGTH, created_at=NOW - timedelta(days=1))
    neighbours = [new_session(user_id="dave", agent_id="agent2", end=100) for _ in range(20)]
    await fill(database, [long, *neighbours, *some_sessions()])
    return long


@pytest.fixture(scope="module")
async def store(database: Database, long: Session) -> AsyncIterator[MongoSessionStore]:
    async with opened_store(database) as store:
        yield store


@pytest.fixture
def caught(store: MongoSessionStore, sent: SentCommands) -> SentCommands:
    """Return the commands sent from now on."""
    sent.take()
    return sent


@pytest.fixture(scope="module")
def mongod(mongo_url: str) -> Iterator[MongoClient[Command]]:
    with MongoClient[Command](mongo_url) as client:
        yield client


class Explainer:
    def __init__(self, mongod: MongoClient[Command], database: str) -> None:
        self._mongod = mongod
        self._database = database

    def one(self, commands: Sequence[Command], collection: str) -> Explained:
        """Explain the only command on this collection."""
        (command,) = (c for c in commands if next(iter(c.values())) == collection)
        return Explained(self._mongod, self._database, command)

    def last(self, commands: Sequence[Command], collection: str) -> Explained:
        """Explain the last command on this collection, without what it joins."""
        *_, command = (c for c in commands if next(iter(c.values())) == collection)
        if "pipeline" not in command:
            return Explained(self._mongod, self._database, command)
        return self.pipeline(command, pipelines_of(command)[0])

    def pipeline(self, command: Command, pipeline: list[Command]) -> Explained:
        """Explain one of the pipelines joined in the command."""
        return Explained(self._mongod, self._database, {**command, "pipeline": pipeline})


@pytest.fixture
def explain(mongod: MongoClient[Command], database: Database) -> Explainer:
    return Explainer(mongod, name_of(database))


@pytest.mark.parametrize("newest", [False, True], ids=["oldest", "newest"])
@pytest.mark.parametrize("skip", [0, 1, 50_000, LOG_LENGTH - 20, LOG_LENGTH - 1])
@pytest.mark.parametrize("limit", [1, 20, 1000])
async def test_a_page_of_a_long_log_costs_as_many_keys_as_it_shows(
    store: MongoSessionStore,
    caught: SentCommands,
    explain: Explainer,
    long: Session,
    limit: int,
    skip: int,
    *,
    newest: bool,
) -> None:
    _, found = await store.read(ALICE, long.id, Window(limit=limit, skip=skip, newest=newest))

    plan = explain.last(caught.take(), HISTORY)
    assert min(limit, LOG_LENGTH - skip) == len(found)
    assert plan.keys_examined <= limit + 1
    assert plan.docs_examined <= limit
    assert {"_id_"} == plan.indexes
    assert "SORT" not in plan.stages


async def test_a_head_costs_one_key(
    store: MongoSessionStore, caught: SentCommands, explain: Explainer, long: Session
) -> None:
    agents = frozenset({"agent0", "agent1"})

    for reach in (ALICE, Reach(user_id="bob", agent_ids=agents), EVERYBODY):
        await store.get(reach, long.id)

        plan = explain.last(caught.take(), SESSIONS)
        assert {"_id_"} == plan.indexes
        assert plan.keys_examined <= 2
        assert plan.docs_examined <= 1


async def test_the_end_of_a_known_log_costs_one_key(
    store: MongoSessionStore, caught: SentCommands, explain: Explainer, long: Session
) -> None:
    await store.get(ALICE, long.id)
    caught.take()

    await store.get(ALICE, long.id)

    [command] = caught.take()
    [union] = [stage["$unionWith"] for stage in command["pipeline"] if "$unionWith" in stage]
    plan = explain.pipeline({**command, "aggregate": HISTORY}, union["pipeline"])
    assert {"_id_"} == plan.indexes
    assert plan.keys_examined <= 1
    assert plan.docs_examined == 0


LISTS = {
    "user_id": (ALICE, Selection(user_id="alice")),
    "agent_id": (EVERYBODY, Selection(agent_id="agent1")),
    "user_id_agent_id": (ALICE, Selection(agent_id="agent1")),
}


@pytest.mark.parametrize("sort_by", SortBy)
@pytest.mark.parametrize("fields", LISTS)
@pytest.mark.parametrize("descending", [False, True])
async def test_every_list_walks_its_index_only_as_far_as_its_page(
    store: MongoSessionStore,
    caught: SentCommands,
    explain: Explainer,
    fields: str,
    sort_by: SortBy,
    *,
    descending: bool,
) -> None:
    page = ListPage(limit=20, skip=100, sort_by=sort_by, descending=descending)

    found = await store.list_heads(LISTS[fields][0], page, LISTS[fields][1])

    plan = explain.one(caught.take(), SESSIONS)
    assert len(found) == 20
    assert {f"{fields}_by_{sort_by}"} == plan.indexes
    assert not {"SORT", "COLLSCAN"} & plan.stages
    assert plan.keys_examined <= 121


@pytest.mark.parametrize("sort_by", SortBy)
async def test_lists_that_share_a_command_walk_their_indexes(
    store: MongoSessionStore, caught: SentCommands, explain: Explainer, sort_by: SortBy
) -> None:
    page = ListPage(limit=20, skip=5, sort_by=sort_by)

    await asyncio.gather(*(store.list_heads(reach, page, of) for reach, of in LISTS.values()))

    (joined,) = caught.take()
    plans = [explain.pipeline(joined, pipeline) for pipeline in pipelines_of(joined)]
    assert [{f"{fields}_by_{sort_by}"} for fields in LISTS] == [plan.indexes for plan in plans]
    assert every(not {"SORT", "COLLSCAN"} & plan.stages for plan in plans)
    assert every(plan.keys_examined <= 26 for plan in plans)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(user_id="alice", tests_only=True),
        Selection(user_id="alice", metadata={"n": 3}),
        Selection(user_id="alice", metadata={"n": 11}),
    ],
    ids=["tests", "metadata", "metadata nobody has"],
)
async def test_selecting_looks_only_at_the_users_own_sessions(
    store: MongoSessionStore, caught: SentCommands, explain: Explainer, selection: Selection
) -> None:
    await store.list_heads(ALICE, ListPage(limit=100), selection)

    plan = explain.one(caught.take(), SESSIONS)
    assert not {"SORT", "COLLSCAN"} & plan.stages
    assert plan.keys_examined <= SESSIONS_PER_USER + 2


@pytest.mark.parametrize("fields", LISTS)
async def test_a_count_looks_only_at_the_sessions_it_counts(
    store: MongoSessionStore, caught: SentCommands, explain: Explainer, fields: str
) -> None:
    count = await store.count(*LISTS[fields])

    plan = explain.one(caught.take(), SESSIONS)
    assert "COLLSCAN" not in plan.stages
    assert plan.keys_examined <= count + 1


async def test_the_newest_of_each_costs_as_many_keys_as_it_shows(
    store: MongoSessionStore, caught: SentCommands, explain: Explainer, long: Session
) -> None:
    heads = await store.list_heads(EVERYBODY, ListPage(limit=20), Selection(agent_id="agent2"))
    caught.take()

    await store.newest_of_each(EVERYBODY, [long, *heads], limit=10)

    plan = explain.one(caught.take(), HISTORY)
    assert {"_id_"} == plan.indexes
    assert "COLLSCAN" not in plan.stages
    assert plan.keys_examined <= 21 * (10 + 1)
    assert plan.docs_examined <= 21 * 10


async def test_a_sweep_looks_for_what_is_left_of_many_logs_at_the_cost_of_what_it_finds(
    database: Database, caught: SentCommands, explain: Explainer, long: Session
) -> None:
    clean = {uuid4(): AFTER_ALL_SEQS for _ in range(19)}
    reads = Reads(database)
    await reads.confirm()
    caught.take()

    entries = Entries(database[HISTORY], reads)
    is_purged = await entries.purge_some(clean | {long.id: 1})

    plan = explain.one(caught.take(), HISTORY)
    assert not is_purged
    assert {"_id_"} == plan.indexes
    assert plan.keys_examined <= 2 * 20


async def test_a_key_costs_one_lookup(
    store: MongoSessionStore, caught: SentCommands, explain: Explainer
) -> None:
    found = await store.find_by_key(EVERYBODY, "bob", "77")

    plan = explain.one(caught.take()[:1], SESSIONS)
    assert found is not None
    assert {"user_id_key"} == plan.indexes
    assert plan.keys_examined <= 1


async def test_a_sweep_that_finds_nothing_looks_at_nothing(
    store: MongoSessionStore, caught: SentCommands, explain: Explainer
) -> None:
    swept = await store.sweep(begun_before=NOW + timedelta(days=1))

    plan = explain.one(caught.take(), SESSIONS)
    assert swept == 0
    assert {"sweep_from"} == plan.indexes
    assert plan.docs_examined == 0


async def test_a_replay_is_looked_up_by_its_key(
    store: MongoSessionStore, caught: SentCommands, explain: Explainer
) -> None:
    session = await open_session(store)
    await store.append(ALICE, session.id, keyed("abc"))
    caught.take()

    await store.append(ALICE, session.id, keyed("abc"))

    plan = explain.one([c for c in caught.take() if by_client_key(c)], HISTORY)
    assert {"session_client_key"} == plan.indexes
    assert plan.docs_examined == 1


def by_client_key(command: Command) -> bool:
    return any("client_key" in branch for branch in command.get("filter", {}).get("$or", ()))
