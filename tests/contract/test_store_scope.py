"""Reach: a session outside of it does not exist, whichever call is made."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from service.domain.access import EVERYBODY, Reach
from service.domain.errors import SessionNotFound
from service.domain.models import ListPage, Selection, Session
from service.domain.session_key import KeySelection, SessionKey
from service.domain.window import Window
from service.storage.mongo import MongoSessionStore
from tests.contract.building import ALICE, BOB, ids_of, log_of, message, open_session, texts_of

Call = Callable[[MongoSessionStore, Reach, UUID], Awaitable[Any]]

CALLS: dict[str, Call] = {
    "get": lambda store, reach, id_: store.get(reach, id_),
    "read": lambda store, reach, id_: store.read(reach, id_, Window(limit=10)),
    "read of the newest": lambda store, reach, id_: store.read(
        reach, id_, Window(limit=10, newest=True)
    ),
    "update": lambda store, reach, id_: store.update(reach, id_, retitled),
    "append": lambda store, reach, id_: store.append(reach, id_, [message("x")]),
    "append of many": lambda store, reach, id_: store.append(reach, id_, [message("x")] * 2),
    "delete": lambda store, reach, id_: store.delete(reach, id_),
}
WHOLE = ListPage(limit=100)
OF_AGENT = Reach(user_id="bob", agent_ids=frozenset({"agent"}))


def retitled(session: Session) -> Session:
    return session.model_copy(update={"title": "changed"})


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "reach",
    [BOB, Reach(user_id="bob", agent_ids=frozenset({"another", "alice"})), Reach(user_id="")],
    ids=["another user", "another agent", "nobody"],
)
async def test_a_session_out_of_reach_is_not_found_and_stays_as_it_is(
    store: MongoSessionStore, call: Call, reach: Reach
) -> None:
    session = await open_session(store, "abc")
    before = await store.get(ALICE, session.id)

    with pytest.raises(SessionNotFound):
        await call(store, reach, session.id)

    assert before == await store.get(ALICE, session.id)
    assert texts_of(await log_of(store, session)) == "abc"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("reach", [ALICE, OF_AGENT, EVERYBODY], ids=["owner", "agent", "everybody"])
async def test_a_session_in_reach_is_found(
    store: MongoSessionStore, call: Call, reach: Reach
) -> None:
    session = await open_session(store, "abc")

    await call(store, reach, session.id)


@pytest.mark.parametrize(
    ("reach", "selection", "expected"),
    [
        (BOB, Selection(), "B"),
        (BOB, Selection(user_id="bob"), "B"),
        (BOB, Selection(user_id="alice"), ""),
        (BOB, Selection(user_id="alice", agent_id="agent"), ""),
        (BOB, Selection(agent_id="agent"), "B"),
        (BOB, Selection(user_id="alice", tests_only=True), ""),
        (BOB, Selection(user_id="alice", metadata={"a": 1}), ""),
        (OF_AGENT, Selection(agent_id="agent"), "AB"),
        (OF_AGENT, Selection(user_id="alice", agent_id="agent"), "A"),
        (OF_AGENT, Selection(user_id="alice"), "A"),
        (OF_AGENT, Selection(agent_id="other"), ""),
        (OF_AGENT, Selection(user_id="alice", agent_id="other"), ""),
        (EVERYBODY, Selection(user_id="alice", agent_id="other"), "C"),
        (EVERYBODY, Selection(agent_id="agent"), "AB"),
    ],
)
async def test_lists_counts_and_scans_show_only_what_is_in_reach(
    store: MongoSessionStore, reach: Reach, selection: Selection, expected: str
) -> None:
    fields: dict[str, Any] = {"metadata": {"a": 1}, "is_test": True}
    made = {
        (await open_session(store, **fields)).id: "A",
        (await open_session(store, user_id="bob", **fields)).id: "B",
        (await open_session(store, agent_id="other", **fields)).id: "C",
    }

    listed = [session.id for session in await store.list_heads(reach, WHOLE, selection)]
    scanned = await ids_of(store.scan(reach, selection))

    assert expected == "".join(sorted(made[id_] for id_ in listed))
    assert expected == "".join(sorted(made[id_] for id_ in scanned))
    assert len(expected) == await store.count(reach, selection)


async def test_the_key_of_another_user_finds_nothing(store: MongoSessionStore) -> None:
    await open_session(store, key="k")

    assert await store.find_by_key(EVERYBODY, "bob", "k") is None


async def test_a_key_out_of_reach_is_neither_found_nor_listed(store: MongoSessionStore) -> None:
    session = await open_session(store, key="k")
    of_alice = KeySelection(user_id="alice")
    agents_reach = Reach(user_id="bob", agent_ids=frozenset({session.agent_id}))

    for reach in (BOB, agents_reach):
        assert await store.find_by_key(reach, "alice", "k") is None
        assert await store.list_keys(reach, of_alice, limit=10) == []
    assert await store.find_by_key(ALICE, "alice", "k") == session
    assert await store.list_keys(ALICE, of_alice, limit=10) == [SessionKey("k", session.id)]


async def test_a_session_out_of_reach_does_not_exist_and_shows_no_message(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store, "ab")
    head = await store.get(ALICE, session.id)

    assert await store.exists(BOB, session.id) is False
    assert await store.read_range(BOB, head, range(1, 3)) is None
    assert await store.newest_of_each(BOB, [head], limit=10) == {session.id: []}
    assert await store.exists(ALICE, session.id) is True
    assert texts_of(await store.read_range(ALICE, head, range(1, 3)) or []) == "ab"
    found = await store.newest_of_each(ALICE, [head], limit=10)
    assert texts_of(found[session.id]) == "ab"
