"""Reads after an election: the new primary does not know yet what the old one acknowledged."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sized
from contextlib import asynccontextmanager

import pytest

from service.domain.access import EVERYBODY
from service.domain.errors import SessionNotFound, UserNotFound
from service.domain.models import ListPage, Message, Selection, Session, User
from service.domain.session_key import KeySelection
from service.storage.driver import Database
from service.storage.indexes import HISTORY
from service.storage.mongo import MongoSessionStore
from service.storage.reads import Reads
from service.storage.text_search import TextSearch
from service.storage.users import MongoUserStore
from tests.contract.building import (
    ALICE,
    DEADLINE_S,
    ids_of,
    log_of,
    messages,
    new_session,
    open_session,
    store_on,
)
from tests.contract.conftest import REAL_KINDS
from tests.databases import connected, fresh_database, name_of
from tests.faults.rig.replica_set import ReplicaSet, replica_set

KEY = "key"
# Longer than a read that waits for nothing, shorter than a read waits for the database.
UNANSWERED_S = 1.0


@pytest.fixture(scope="module")
async def replicas(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReplicaSet]:
    async with replica_set(tmp_path_factory.mktemp("set")) as replicas:
        yield replicas


@asynccontextmanager
async def unaware_secondaries(replicas: ReplicaSet) -> AsyncIterator[None]:
    """Keep all secondaries from learning what the majority has, until the block ends."""
    primary = await replicas.healthy()
    others = [member for member in replicas.members if member is not primary]
    for member in others:
        await member.command("configureFailPoint", value="disableSnapshotting", mode="alwaysOn")
    try:
        yield
    finally:
        for member in others:
            await member.command("configureFailPoint", value="disableSnapshotting", mode="off")
        # They learn it with the next majority write.
        await (await replicas.primary()).command("appendOplogNote", data={})


async def shown_by_all_reads(
    database: Database, store: MongoSessionStore, log: Session, made: Session
) -> dict[str, int]:
    """Read in every way; return how much of the writer's work each of them shows."""
    of, page, with_two = Selection(), ListPage(limit=10), log.model_copy(update={"end": 2})
    texts = TextSearch(database[HISTORY], Reads(database))
    users = MongoUserStore(database)
    reads: dict[str, Awaitable[int]] = {
        "log": _length(log_of(store, log)),
        "newest of each": _newest(store, with_two),
        "range": _length(_read(store, with_two)),
        "search": _length(texts.best(with_two, "a b", before_seq=3, limit=10)),
        "change": _is_there(store.update(ALICE, made.id, lambda head: head)),
        "exists": store.exists(EVERYBODY, made.id),
        "by key": _is_found(store.find_by_key(EVERYBODY, "alice", KEY)),
        "keys": _length(
            store.list_keys(ALICE, KeySelection(user_id="alice", prefix=KEY), limit=10)
        ),
        "a list": _length(store.list_heads(ALICE, page, of)),
        "one beside it": _length(store.list_heads(ALICE, page, of)),
        "a far list": _length(store.list_heads(ALICE, ListPage(limit=1000), of)),
        "count": store.count(ALICE, of),
        "scan": _length(ids_of(store.scan(ALICE, of))),
        "a profile": _is_there(users.get(ALICE, "alice")),
        "profiles": _length(users.select(ALICE, limit=10, skip=0)),
        "scan of profiles": _length(_listed(users.scan(ALICE))),
        "count of profiles": users.count(ALICE),
    }
    return dict(zip(reads, await asyncio.gather(*reads.values()), strict=True))


async def _length(found: Awaitable[Sized]) -> int:
    return len(await found)


async def _read(store: MongoSessionStore, session: Session) -> list[Message]:
    """Return the first two messages, or only the first if the other is missing."""
    both = await store.read_range(EVERYBODY, session, range(1, 3))
    return both or await store.read_range(EVERYBODY, session, range(1, 2)) or []


async def _listed(profiles: AsyncIterator[User]) -> list[User]:
    return [profile async for profile in profiles]


async def _is_there(call: Awaitable[object]) -> bool:
    try:
        await call
    except (SessionNotFound, UserNotFound):
        return False
    return True


async def _newest(store: MongoSessionStore, session: Session) -> int:
    return len((await store.newest_of_each(EVERYBODY, [session], limit=10))[session.id])


async def _is_found(found: Awaitable[object]) -> bool:
    return await found is not None


@pytest.mark.parametrize("kind", REAL_KINDS)
async def test_reads_after_an_election_show_all_that_the_former_primary_acknowledged(
    replicas: ReplicaSet, kind: str
) -> None:
    async with (
        connected(kind, replicas.url) as writing,
        connected(kind, replicas.url) as reading,
        fresh_database(writing) as database,
    ):
        writer, readers = await store_on(database), reading[name_of(database)]
        store = MongoSessionStore(readers, append_deadline_s=DEADLINE_S, text_search=True)
        await store.prepare()
        profiles = MongoUserStore(database)
        # Every read would wait for a new collection.
        await profiles.get_or_create(User(id="bob"))
        log, made = await open_session(writer, "a"), new_session(key=KEY)
        before = await shown_by_all_reads(readers, store, log, made)

        async with unaware_secondaries(replicas):
            await writer.append(ALICE, log.id, messages("b"))
            await writer.create(made)
            await profiles.get_or_create(User(id="alice"))
            await replicas.step_down()
            await replicas.primary()
            asked = asyncio.create_task(shown_by_all_reads(readers, store, log, made))
            await asyncio.wait([asked], timeout=UNANSWERED_S)
            assert not asked.done(), f"Nobody waited for the new primary: {asked.result()}"

        assert await asked == {name: shown + 1 for name, shown in before.items()}
        for opened in (writer, store):
            await opened.close()
