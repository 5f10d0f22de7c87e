"""Appends in flight when the service stops, or when its database goes away."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo.uri_parser import parse_uri

from config.settings import Settings
from service.app import SessionService
from service.devdb.embedded import EmbeddedMongo
from service.domain.access import Caller
from service.domain.errors import OutcomeUnknown, StoreUnavailable
from service.domain.models import Message, NewMessage, Session
from service.domain.sessions import Sessions
from service.storage import driver
from service.storage.driver import Database
from service.storage.mongo import CLOSE_S, MongoSessionStore
from tests.contract.building import (
    ALICE,
    log_of,
    message,
    messages,
    open_session,
    seqs_of,
)
from tests.contract.conftest import REAL_KINDS
from tests.contract.silent_proxy import silent_proxy
from tests.databases import name_of
from tests.every import every

CALLER = Caller(user_id="alice")
USER: dict[str, Any] = {"role": "user"}
APPENDS = 600
MONGO_TIMEOUT_S = 1.0
RECOVERY_S = 30
# A mongod takes longer to come back.
RESTART_S = 0.2


@pytest.fixture(params=REAL_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def service(kind: str, mongo_url: str, database: Database) -> Settings:
    return Settings(
        _env_file=None,
        mongo_driver=kind,
        mongo_url=mongo_url,
        mongo_database=name_of(database),
        mongo_timeout_s=MONGO_TIMEOUT_S,
        jwt_secret="a secret of the tests, long enough for HS256",
    )


async def begin_appends(sessions: Sessions, session: Session) -> list[asyncio.Task[list[Message]]]:
    """Return appends, of which one batch is in progress and the others wait."""
    texts = [NewMessage(**USER, content=str(n)) for n in range(APPENDS)]
    tasks = [asyncio.create_task(sessions.append(CALLER, session.id, [text])) for text in texts]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def contents_of(found: list[Message]) -> list[Any]:
    return [message.content for message in found]


async def test_a_stopping_service_stores_all_waiting_appends_and_answers_them(
    store: MongoSessionStore, service: Settings
) -> None:
    session = await open_session(store)
    app = SessionService(service)

    async with app.lifespan():
        tasks = await begin_appends(app.use_cases.sessions, session)
    answers = await asyncio.gather(*tasks)

    log = await log_of(store, session)
    assert [str(n) for n in range(APPENDS)] == contents_of(log)
    assert log == [answer[0] for answer in answers]


async def test_a_stopping_service_stores_what_callers_sent_before_they_hung_up(
    store: MongoSessionStore, service: Settings
) -> None:
    session = await open_session(store)
    app = SessionService(service)

    async with app.lifespan():
        for task in await begin_appends(app.use_cases.sessions, session):
            task.cancel()

    assert [str(n) for n in range(APPENDS)] == contents_of(await log_of(store, session))


async def test_a_service_that_stops_while_its_database_is_silent_keeps_no_one_waiting(
    store: MongoSessionStore, service: Settings, mongo_url: str
) -> None:
    session = await open_session(store)
    async with silent_proxy(*parse_uri(mongo_url)["nodelist"][0]) as (proxy, url):
        app = SessionService(service.model_copy(update={"mongo_url": SecretStr(url)}))
        async with app.lifespan():
            # From now on the head is known, and a batch begins with its insert.
            await app.use_cases.sessions.append(
                CALLER, session.id, [NewMessage(**USER, content="-")]
            )
            proxy.silence()
            tasks = await begin_appends(app.use_cases.sessions, session)
            begun_s = monotonic()
        took_s = monotonic() - begun_s
        async with asyncio.timeout(MONGO_TIMEOUT_S):
            answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert took_s < CLOSE_S + MONGO_TIMEOUT_S
    assert {OutcomeUnknown, StoreUnavailable} == {type(answer) for answer in answers}


@dataclass
class Told:
    """The outcome writers got for each of their messages, in the order they sent them."""

    acknowledged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    longest_s: float = 0.0

    async def append(self, store: MongoSessionStore, session: Session, text: str) -> None:
        begun_s = monotonic()
        try:
            await store.append(ALICE, session.id, [message(text)])
        except OutcomeUnknown:
            self.unknown.append(text)
        except StoreUnavailable:
            self.refused.append(text)
        else:
            self.acknowledged.append(text)
        self.longest_s = max(self.longest_s, monotonic() - begun_s)


@pytest.fixture
async def mongo(tmp_path: Path, kind: str) -> AsyncIterator[tuple[MongoSessionStore, int]]:
    """Give a store on a mongod of its own, and the process id of that mongod."""
    async with EmbeddedMongo(tmp_path) as url:
        settings = Settings(_env_file=None, mongo_driver=kind, mongo_timeout_s=MONGO_TIMEOUT_S)
        client = driver.connect(settings, url)
        database = client["test"]
        store = MongoSessionStore(database, append_deadline_s=settings.append_deadline_s)
        await store.prepare()
        yield store, (await database.command("serverStatus"))["pid"]
        await store.close()
        await driver.close(client)


async def until_it_stores(store: MongoSessionStore, session: Session) -> None:
    async with asyncio.timeout(RECOVERY_S):
        while True:
            try:
                await store.append(ALICE, session.id, messages("."))
            except StoreUnavailable:
                await asyncio.sleep(0.1)
            else:
                return


async def test_a_database_killed_under_load_makes_no_response_wrong(
    mongo: tuple[MongoSessionStore, int],
) -> None:
    store, pid = mongo
    sessions = [await open_session(store) for _ in range(8)]
    told = Told()
    is_over = False

    async def write(writer: int) -> None:
        session, turn = sessions[writer % len(sessions)], 0
        while not is_over:
            await told.append(store, session, f"{writer}:{turn}")
            turn += 1

    writers = [asyncio.create_task(write(writer)) for writer in range(32)]
    async with asyncio.timeout(RECOVERY_S):
        while len(told.acknowledged) < 500:  # noqa: ASYNC110  The writers have no event for it.
            await asyncio.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.5)
    is_over = True
    await asyncio.gather(*writers)
    for session in sessions:
        await until_it_stores(store, session)

    logs = [await log_of(store, session) for session in sessions]
    stored = [str(m.content) for log in logs for m in log if m.content != "."]
    assert len(set(stored)) == len(stored)
    assert set(told.acknowledged) <= set(stored)
    assert set(stored) <= {*told.acknowledged, *told.unknown}
    # The others waited until it was back.
    assert told.unknown or told.refused or told.longest_s > RESTART_S
    assert every(seqs_of(log) == list(range(1, len(log) + 1)) for log in logs)
    assert told.longest_s < 4 * MONGO_TIMEOUT_S + 1
