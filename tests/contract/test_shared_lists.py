"""Lists requested at the same time: each caller gets its own, and together they cost one call."""

import asyncio
from datetime import timedelta

import pytest

from service.domain.access import EVERYBODY, Reach
from service.domain.models import ListPage, Selection, Session, SortBy, utc_now
from service.storage.lists import MAX_BATCH, MAX_REACH
from service.storage.mongo import MongoSessionStore
from tests.contract.batching import names_of
from tests.contract.building import ALICE, BOB, open_session
from tests.contract.conftest import REAL_KINDS
from tests.storage.mongo_commands import SentCommands

PAGE = ListPage(limit=20)
ALL = Selection()
EARLIER = utc_now() - timedelta(hours=1)

real_only = pytest.mark.parametrize("kind", REAL_KINDS)


@pytest.fixture
async def sessions(store: MongoSessionStore) -> list[Session]:
    """Return four sessions, the oldest first; the second is Bob's."""
    owners = ("alice", "bob", "alice", "alice")
    return [
        await open_session(store, user_id=owner, created_at=EARLIER + timedelta(seconds=n))
        for n, owner in enumerate(owners)
    ]


async def test_each_of_many_concurrent_lists_is_the_one_requested(
    store: MongoSessionStore, sessions: list[Session]
) -> None:
    first, of_bob, second, third = sessions
    asked: list[tuple[Reach, ListPage, Selection, list[Session]]] = [
        (ALICE, PAGE, ALL, [third, second, first]),
        (BOB, PAGE, ALL, [of_bob]),
        (ALICE, ListPage(limit=1), ALL, [third]),
        (ALICE, ListPage(limit=1, skip=1), ALL, [second]),
        (ALICE, ListPage(limit=20, descending=False), ALL, [first, second, third]),
        (BOB, ListPage(limit=20, sort_by=SortBy.LAST_ACTIVE), ALL, [of_bob]),
        (EVERYBODY, PAGE, Selection(agent_id="agent"), [third, second, of_bob, first]),
        (Reach(user_id="carol"), PAGE, ALL, []),
        (ALICE, ListPage(limit=20, skip=MAX_REACH), ALL, []),
        (ALICE, PAGE, Selection(metadata={"n": 1}), []),
    ]

    found = await asyncio.gather(*(store.list_heads(*one[:3]) for one in asked))

    assert [one[3] for one in asked] == found


async def test_a_list_shows_what_was_created_before_it_was_requested(
    store: MongoSessionStore, sessions: list[Session]
) -> None:
    before = [asyncio.create_task(store.list_heads(ALICE, PAGE, ALL)) for _ in range(5)]
    newest = await open_session(store)

    after = await asyncio.gather(*(store.list_heads(ALICE, PAGE, ALL) for _ in range(5)))

    assert [newest] * 5 == [found[0] for found in after]
    await asyncio.gather(*before)


@real_only
async def test_concurrent_lists_share_a_command(
    watched: tuple[MongoSessionStore, SentCommands],
) -> None:
    store, sent = watched
    session = await open_session(store)
    sent.take()

    found = await asyncio.gather(*(store.list_heads(ALICE, PAGE, ALL) for _ in range(MAX_BATCH)))

    assert [[session]] * MAX_BATCH == found
    assert names_of(sent.take()) == {"aggregate": 1}


@real_only
async def test_lists_that_may_be_slow_are_not_shared(
    watched: tuple[MongoSessionStore, SentCommands],
) -> None:
    store, sent = watched
    deep = ListPage(limit=20, skip=MAX_REACH)

    await asyncio.gather(
        *(store.list_heads(ALICE, deep, ALL) for _ in range(2)),
        *(store.list_heads(ALICE, PAGE, Selection(metadata={"n": 1})) for _ in range(2)),
    )

    assert names_of(sent.take()) == {"find": 4}
