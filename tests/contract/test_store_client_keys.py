"""Messages looked up by their idempotency keys: how a repeated turn of a chat is found."""

from uuid import uuid4

import pytest

from service.domain.errors import SessionNotFound
from service.domain.models import Role, Usage
from service.domain.window import Window
from service.storage.mongo import MongoSessionStore
from tests.contract.building import ALICE, BOB, message, new_session


async def test_messages_are_found_by_their_keys_in_log_order(
    store: MongoSessionStore,
) -> None:
    session, other = new_session(), new_session()
    for each in (session, other):
        await store.create(each)
        await store.append(ALICE, each.id, [message(key, client_key=key) for key in "abc"])

    found = await store.with_client_keys(ALICE, session.id, ["c", "a", "unknown"])

    assert [(m.seq, m.client_key) for m in found] == [(1, "a"), (3, "c")]


async def test_no_keys_find_nothing(store: MongoSessionStore) -> None:
    session = new_session()
    await store.create(session)
    await store.append(ALICE, session.id, [message("a")])

    assert await store.with_client_keys(ALICE, session.id, []) == []


async def test_cleared_messages_are_not_found(store: MongoSessionStore) -> None:
    session = new_session()
    await store.create(session)
    await store.append(ALICE, session.id, [message("a", client_key="a")])

    await store.update(ALICE, session.id, lambda head: head.model_copy(update={"start": 2}))

    assert await store.with_client_keys(ALICE, session.id, ["a"]) == []


async def test_a_session_out_of_reach_is_not_searched(store: MongoSessionStore) -> None:
    session = new_session()
    await store.create(session)

    for reach, session_id in ((BOB, session.id), (ALICE, uuid4())):
        with pytest.raises(SessionNotFound):
            await store.with_client_keys(reach, session_id, ["a"])


async def test_the_cost_of_a_completion_is_stored_with_it(store: MongoSessionStore) -> None:
    session = new_session()
    await store.create(session)
    usage = Usage(prompt_tokens=12, completion_tokens=3)

    await store.append(
        ALICE, session.id, [message("q"), message("a", role=Role.ASSISTANT, usage=usage)]
    )

    _, stored = await store.read(ALICE, session.id, Window(limit=10))
    assert [m.usage for m in stored] == [None, usage]
