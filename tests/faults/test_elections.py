"""Reads behind an election: the new primary does not know yet what the former one acknowledged."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sized
from contextlib import asynccontextmanager

import pytest

from service.domain.models import ListPage, Selection, Session, User
from service.domain.session_key import KeySelection
from service.storage.mongo import MongoSessionStore
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
# Longer than reads take that wait for nothing, and shorter than they wait for the database.
UNANSWERED_S = 1.0


@pytest.fixture(scope="module")
async def replicas(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReplicaSet]:
    async with replica_set(tmp_path_factory.mktemp("set")) as replicas:
        yield replicas


@asynccontextmanager
async def elected_unaware(replicas: ReplicaSet) -> AsyncIterator[None]:
    """Elect another primary at the end of the block, which shows nothing that was written in it.

    It would learn what a majority has in half a second or less; here it does not until `learn`.
    """
    primary = await replicas.healthy()
    others = [member for member in replicas.members if member is not primary]
    for member in others:
        await member.command("configureFailPoint", value="disableSnapshotting", mode="alwaysOn")
    yield
    await replicas.step_down()
    assert await replicas.primary() in others


async def learn(replicas: ReplicaSet) -> None:
    """Let all members learn what a majority has, which they do when it gets more."""
    for member in replicas.members:
        await member.command("configureFailPoint", value="disableSnapshotting", mode="off")
    primary = await replicas.primary()
    await primary.command("appendOplogNote", data={})


async def shown_by_all_reads(
    store: MongoSessionStore, users: MongoUserStore, log: Session, made: Session
) -> dict[str, int]:
    """Read in each way there is; return how much of what the writer makes each of them shows."""
    of, page, with_two = Selection(), ListPage(limit=10), log.model_copy(update={"end": 2})
    reads: dict[str, Awaitable[int]] = {
        "log": _length(log_of(store, log)),
        "newest of each": _newest(store, with_two),
        "search": _length(store.search(ALICE, log.id, "a b", before_seq=3, limit=10)),
        "exists": store.exists(made.id),
        "by key": _is_found(store.find_by_key("alice", KEY)),
        "keys": _length(store.list_keys(KeySelection(user_id="alice", prefix=KEY), limit=10)),
        "a list": _length(store.list_heads(ALICE, page, of)),
        "one beside it": _length(store.list_heads(ALICE, page, of)),
        "a far list": _length(store.list_heads(ALICE, ListPage(limit=1000), of)),
        "count": store.count(ALICE, of),
        "scan": _length(ids_of(store.scan(ALICE, of))),
        "profiles": _length(users.select(ALICE, limit=10, skip=0)),
        "count of profiles": users.count(ALICE),
    }
    return dict(zip(reads, await asyncio.gather(*reads.values()), strict=True))


async def _length(found: Awaitable[Sized]) -> int:
    return len(await found)


async def _newest(store: MongoSessionStore, session: Session) -> int:
    return len((await store.newest_of_each([session], limit=10))[session.id])


async def _is_found(found: Awaitable[object]) -> bool:
    return await found is not None


@pytest.mark.parametrize("kind", REAL_KINDS)
async def test_reads_behind_an_election_show_all_that_the_former_primary_acknowledged(
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
        users, profiles = MongoUserStore(readers), MongoUserStore(database)
        # A collection that is new would be waited for by every read.
        await profiles.get_or_create(User(id="bob"))
        log, made = await open_session(writer, "a"), new_session(key=KEY)
        before = await shown_by_all_reads(store, users, log, made)

        async with elected_unaware(replicas):
            await writer.append(ALICE, log.id, messages("b"))
            await writer.create(made)
            await profiles.get_or_create(User(id="alice"))
        asked = asyncio.create_task(shown_by_all_reads(store, users, log, made))
        await asyncio.wait([asked], timeout=UNANSWERED_S)
        assert not asked.done(), f"Nobody waited for the new primary: {asked.result()}"
        await learn(replicas)

        assert await asked == {name: shown + 1 for name, shown in before.items()}
