"""Lists of keys: order, the keys of sessions without one, prefixes, age, ownership."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.access import EVERYBODY
from service.domain.models import Session, utc_now
from service.domain.session_key import KeySelection, SessionKey, id_in, ids_called, key_text
from service.storage.mongo import MongoSessionStore
from tests.contract.building import ALICE, open_session

OF_ALICE = KeySelection(user_id="alice")
ODD_KEYS = ["", "A", "a", "a b", "a/b", "a:b", "a_b", "aa", "b\n", "id", "id:", "id:a", "id;", "z"]
WIDE_KEYS = [
    "é",
    "\ud7ff",
    "\ud7ff!",
    "\ue000",
    "\uffff",
    "🙂",
    "🙂🙂",
    "\U0010ffff",
    "\U0010ffffa",
]
KEYS = [*ODD_KEYS[1:], *WIDE_KEYS]
PREFIXES = [*ODD_KEYS, *WIDE_KEYS, "i", "a:", "nothing", "id:0", "id:f", "ID:", "\U0010ffff" * 2]


async def texts(
    store: MongoSessionStore, of: KeySelection = OF_ALICE, limit: int = 1000
) -> list[str]:
    return [key.text for key in await store.list_keys(EVERYBODY, of, limit=limit)]


async def fill(store: MongoSessionStore) -> list[str]:
    """Store a session for each key, and some without a key; return their names, in order."""
    named = [await open_session(store, key=key) for key in KEYS]
    unnamed = [await open_session(store) for _ in range(20)]
    return sorted(key_text(session.id, session.key) for session in [*named, *unnamed])


async def test_a_key_is_listed_with_the_id_of_its_session(store: MongoSessionStore) -> None:
    session = await open_session(store, key="mine")

    assert [SessionKey("mine", session.id)] == await store.list_keys(EVERYBODY, OF_ALICE, limit=10)


async def test_a_session_without_a_key_is_called_by_its_id(store: MongoSessionStore) -> None:
    session = await open_session(store)

    found = await store.list_keys(EVERYBODY, OF_ALICE, limit=10)

    assert [SessionKey(f"id:{session.id}", session.id)] == found


async def test_keys_ascend_by_code_point_including_those_made_of_ids(
    store: MongoSessionStore,
) -> None:
    expected = await fill(store)

    assert expected == await texts(store)


@pytest.mark.parametrize("limit", [1, 5, 15, 30, 1000])
async def test_a_limit_shows_the_first_keys(store: MongoSessionStore, limit: int) -> None:
    expected = await fill(store)

    assert expected[:limit] == await texts(store, limit=limit)


async def test_a_prefix_selects_the_keys_that_begin_with_it(store: MongoSessionStore) -> None:
    keys = await fill(store)

    for prefix in PREFIXES:
        of = KeySelection(user_id="alice", prefix=prefix)
        assert [key for key in keys if key.startswith(prefix)] == await texts(store, of), prefix


async def test_age_selects_the_sessions_created_earlier(store: MongoSessionStore) -> None:
    now = utc_now()
    for key, age_s in (("old", 100), ("at the time", 50), ("young", 49)):
        await open_session(store, key=key, created_at=now - timedelta(seconds=age_s))
    unnamed = await open_session(store, created_at=now - timedelta(seconds=100))

    before = now - timedelta(seconds=50)
    found = await texts(store, KeySelection(user_id="alice", created_before=before))

    assert [f"id:{unnamed.id}", "old"] == found


async def test_a_prefix_and_an_age_select_sessions_that_match_both(
    store: MongoSessionStore,
) -> None:
    old = utc_now() - timedelta(days=1)
    await open_session(store, key="a:old", created_at=old)
    await open_session(store, key="b:old", created_at=old)
    await open_session(store, key="a:new")

    of = KeySelection(user_id="alice", prefix="a:", created_before=utc_now() - timedelta(hours=1))

    assert await texts(store, of) == ["a:old"]


@pytest.mark.parametrize("key", [None, "theirs"])
async def test_sessions_of_others_are_not_listed(store: MongoSessionStore, key: str | None) -> None:
    await open_session(store, user_id="bob", key=key)

    assert await texts(store) == []


@pytest.mark.parametrize("key", [None, "gone"])
async def test_deleted_sessions_are_not_listed(store: MongoSessionStore, key: str | None) -> None:
    session = await open_session(store, "abc", key=key)

    await store.delete(ALICE, session.id)

    assert await texts(store) == []


@given(st.uuids(), st.integers(0, 39))
def test_a_prefix_selects_the_ids_whose_key_begins_with_it(session_id: UUID, length: int) -> None:
    prefix = key_text(session_id, None)[:length]

    found = ids_called(prefix)

    assert found is not None
    least, greatest = found
    assert least <= session_id <= greatest
    assert key_text(least, None).startswith(prefix)
    assert key_text(greatest, None).startswith(prefix)


@given(st.text())
def test_text_that_begins_no_key_made_of_an_id_selects_none(text: str) -> None:
    found = ids_called(text)

    assert found is None or key_text(found[0], None).startswith(text)


def test_only_the_text_as_shown_is_the_key_of_an_id() -> None:
    session = Session(agent_id="agent", user_id="alice", id=uuid4())
    text = key_text(session.id, session.key)

    assert id_in(text) == session.id
    for other in (text.upper(), f"id:{session.id.hex}", f"id:{{{session.id}}}", str(session.id)):
        assert id_in(other) is None
