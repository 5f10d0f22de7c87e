"""Idempotency: a message with a key is stored at most once, whatever happened before."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from service.domain.errors import IdempotencyKeyReused
from service.domain.models import Message, Role
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from tests.contract.building import (
    ALICE,
    keyed,
    leave_entries,
    log_of,
    message,
    messages,
    open_session,
    seqs_of,
    stored_seqs,
    texts_of,
)
from tests.every import every


def again(sent: Sequence[Message]) -> list[Message]:
    """Return what a caller that sends the same again hands in: new ids, new times."""
    fields = ("role", "content", "name", "tool_calls", "tool_call_id", "metadata", "client_key")
    return [Message(**{field: getattr(m, field) for field in fields}) for m in sent]


@pytest.mark.parametrize("texts", ["a", "abc"])
async def test_a_replay_stores_nothing_and_returns_what_is_stored(
    store: MongoSessionStore, texts: str
) -> None:
    session = await open_session(store)
    first = await store.append(ALICE, session.id, keyed(texts))

    second = await store.append(ALICE, session.id, again(first))

    assert first == second
    assert first == await log_of(store, session)


async def test_a_replay_finds_its_message_when_later_ones_follow(store: MongoSessionStore) -> None:
    session = await open_session(store)
    first = await store.append(ALICE, session.id, keyed("a"))
    await store.append(ALICE, session.id, messages("xyz"))

    assert first == await store.append(ALICE, session.id, again(first))
    assert texts_of(await log_of(store, session)) == "axyz"


async def test_a_replay_leaves_the_head_as_it_is(store: MongoSessionStore) -> None:
    session = await open_session(store)
    first = await store.append(ALICE, session.id, keyed("a"))
    await store.append(ALICE, session.id, messages("b"))
    before = await store.get(ALICE, session.id)

    await store.append(ALICE, session.id, again(first))

    assert before == await store.get(ALICE, session.id)


async def test_concurrent_replays_store_one_message(store: MongoSessionStore) -> None:
    session = await open_session(store)

    answers = await asyncio.gather(
        *(store.append(ALICE, session.id, keyed("ab")) for _ in range(10))
    )

    assert every(answer == answers[0] for answer in answers)
    assert answers[0] == await log_of(store, session)


async def test_messages_without_a_key_are_stored_each_time(store: MongoSessionStore) -> None:
    session = await open_session(store, "a")

    await store.append(ALICE, session.id, messages("a"))

    assert texts_of(await log_of(store, session)) == "aa"


async def test_the_same_key_in_another_session_is_another_key(store: MongoSessionStore) -> None:
    first, second = await open_session(store), await open_session(store)
    await store.append(ALICE, first.id, [message("x", client_key="k")])

    await store.append(ALICE, second.id, [message("y", client_key="k")])

    assert texts_of(await log_of(store, first)) == "x"
    assert texts_of(await log_of(store, second)) == "y"


async def test_new_messages_alongside_a_replayed_one_are_stored(store: MongoSessionStore) -> None:
    session = await open_session(store)
    (stored,) = await store.append(ALICE, session.id, keyed("a"))

    appended = await store.append(ALICE, session.id, [*again([stored]), *keyed("b")])

    assert seqs_of(appended) == [1, 2]
    assert texts_of(await log_of(store, session)) == "ab"


SENT = Message(
    role=Role.ASSISTANT,
    content="x",
    name="n",
    tool_calls=[{"id": "1"}],
    tool_call_id="c",
    metadata={"a": 1},
    client_key="k",
)


@pytest.mark.parametrize(
    "change",
    [
        {"role": Role.USER},
        {"content": "X"},
        {"content": [{"type": "text", "text": "x"}]},
        {"content": None},
        {"name": None},
        {"tool_calls": [{"id": "2"}]},
        {"tool_call_id": "d"},
        {"metadata": {"a": 2}},
        {"metadata": {}},
        {"metadata": None},
    ],
    ids=str,
)
async def test_a_key_with_other_content_is_refused_and_stores_nothing(
    store: MongoSessionStore, database: Database, change: dict[str, Any]
) -> None:
    session = await open_session(store)
    stored = await store.append(ALICE, session.id, [SENT])

    with pytest.raises(IdempotencyKeyReused):
        await store.append(ALICE, session.id, [SENT.model_copy(update=change)])

    assert stored == await log_of(store, session)
    assert await stored_seqs(database, session.id) == [1]


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_one_refused_key_in_an_append_refuses_all_of_it(
    store: MongoSessionStore, database: Database, place: int
) -> None:
    session = await open_session(store)
    stored = await store.append(ALICE, session.id, [message("x", client_key="k")])
    sent = keyed("abc")
    sent[place] = message("other", client_key="k")

    with pytest.raises(IdempotencyKeyReused):
        await store.append(ALICE, session.id, sent)

    assert stored == await log_of(store, session)
    assert await stored_seqs(database, session.id) == [1]


@pytest.mark.parametrize("stored_before", ["a", "ab", "abc"])
async def test_a_replay_completes_a_half_stored_append(
    store: MongoSessionStore, database: Database, stored_before: str
) -> None:
    session = await open_session(store, "x")
    await leave_entries(database, session.id, keyed(stored_before), first_seq=2)

    appended = await store.append(ALICE, session.id, keyed("abc"))

    assert seqs_of(appended) == [2, 3, 4]
    assert texts_of(await log_of(store, session)) == "xabc"


async def test_a_replay_completes_a_half_stored_append_after_what_came_in_between(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)
    await leave_entries(database, session.id, keyed("ab"), first_seq=1)
    await store.append(ALICE, session.id, messages("x"))

    appended = await store.append(ALICE, session.id, keyed("abc"))

    assert seqs_of(appended) == [1, 2, 4]
    assert texts_of(await log_of(store, session)) == "abxc"


async def test_concurrent_replays_complete_a_half_stored_append_once(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)
    await leave_entries(database, session.id, keyed("ab"), first_seq=1)

    await asyncio.gather(*(store.append(ALICE, session.id, keyed("abcd")) for _ in range(5)))

    assert texts_of(await log_of(store, session)) == "abcd"
    assert await stored_seqs(database, session.id) == [1, 2, 3, 4]
