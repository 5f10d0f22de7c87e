"""Appends: order, density, exact contents, and the head that follows the log."""

import asyncio
import json
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import pytest

from service.domain.errors import LogEndsElsewhere, SessionNotFound
from service.domain.models import (
    MAX_PREVIEW_CHARS,
    Content,
    JsonObject,
    Message,
    Preview,
    Role,
    utc_now,
)
from service.domain.sessions import emptied
from service.domain.window import Window
from service.storage import documents
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from tests.contract.building import (
    ALICE,
    EVERYTHING,
    keyed,
    log_of,
    message,
    messages,
    open_session,
    seqs_of,
    stored_entries,
    stored_seqs,
    texts_of,
)
from tests.contract.odd_json import ODD_JSON


async def test_messages_are_numbered_from_one_without_gaps(store: MongoSessionStore) -> None:
    session = await open_session(store)

    numbers = [seqs_of(await store.append(ALICE, session.id, messages(t))) for t in "abc"]

    assert numbers == [[1], [2], [3]]
    assert seqs_of(await log_of(store, session)) == [1, 2, 3]


async def test_messages_of_one_append_stay_together_in_the_order_given(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store, "ab")

    appended = await store.append(ALICE, session.id, messages("zyx"))

    assert seqs_of(appended) == [3, 4, 5]
    assert texts_of(appended) == "zyx"
    assert texts_of(await log_of(store, session)) == "abzyx"


async def test_messages_of_one_append_are_one_document(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)

    for texts in ("a", "bcd", "ef"):
        await store.append(ALICE, session.id, messages(texts))

    entries = await stored_entries(database, session.id)
    assert [texts_of(documents.messages_in(entry)) for entry in entries] == ["a", "bcd", "ef"]
    assert [entry["_id"]["n"] for entry in entries] == [1, 2, 5]


async def test_windows_show_any_part_of_groups(store: MongoSessionStore) -> None:
    session = await open_session(store)
    for texts in ("abc", "d", "efghi", "jk"):
        await store.append(ALICE, session.id, messages(texts))

    for skip, limit, newest in product(range(11), range(1, 12), (False, True)):
        window = Window(limit=limit, skip=skip, newest=newest)
        _, found = await store.read(ALICE, session.id, window)

        last = max(0, 11 - skip)
        part = slice(max(0, last - limit), last) if newest else slice(skip, skip + limit)
        assert texts_of(found) == "abcdefghijk"[part], window


async def test_append_returns_the_messages_as_reads_show_them(store: MongoSessionStore) -> None:
    session = await open_session(store)

    appended = await store.append(ALICE, session.id, [message("a", client_key="k"), message("b")])

    assert appended == await log_of(store, session)


async def test_order_follows_the_numbers_not_the_times(store: MongoSessionStore) -> None:
    session = await open_session(store)
    now = utc_now()

    for text, minutes in (("a", 2), ("b", 1), ("c", 3)):
        late = message(text, created_at=now + timedelta(minutes=minutes))
        await store.append(ALICE, session.id, [late])

    assert texts_of(await log_of(store, session)) == "abc"


async def test_concurrent_writers_get_different_numbers_and_leave_none_out(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store)

    appended = await asyncio.gather(
        *(store.append(ALICE, session.id, messages("xyz")) for _ in range(20))
    )

    assert list(range(1, 61)) == sorted(m.seq for found in appended for m in found)
    assert texts_of(await log_of(store, session)) == "xyz" * 20


async def test_each_log_is_numbered_on_its_own(store: MongoSessionStore) -> None:
    first, second = await open_session(store, "abc"), await open_session(store)

    appended = await store.append(ALICE, second.id, messages("x"))

    assert seqs_of(appended) == [1]
    assert texts_of(await log_of(store, first)) == "abc"


async def test_the_head_follows_the_log(store: MongoSessionStore) -> None:
    session = await open_session(store)
    later = utc_now() + timedelta(minutes=1)
    last = Message(role=Role.ASSISTANT, content="bye", created_at=later)

    await store.append(ALICE, session.id, [message("hello"), last])

    expected = {
        "end": 2,
        "last_active": later,
        "preview": Preview(role=Role.ASSISTANT, text="bye"),
    }
    head = await store.get(ALICE, session.id)
    assert session.model_copy(update=expected) == head
    assert head.message_count == 2


async def test_last_active_of_a_head_never_moves_back(store: MongoSessionStore) -> None:
    session = await open_session(store)
    earlier = session.last_active - timedelta(minutes=1)

    await store.append(ALICE, session.id, [message(created_at=earlier)])

    assert session.last_active == (await store.get(ALICE, session.id)).last_active


async def test_the_preview_is_bounded(store: MongoSessionStore) -> None:
    session = await open_session(store)

    await store.append(ALICE, session.id, [message("🙂" * (MAX_PREVIEW_CHARS + 1))])

    head = await store.get(ALICE, session.id)
    assert Preview(role=Role.USER, text="🙂" * MAX_PREVIEW_CHARS) == head.preview


async def test_the_times_of_a_message_are_the_same_after_a_round_trip(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store)
    time = utc_now().replace(microsecond=1000)

    await store.append(ALICE, session.id, [message(created_at=time)])

    (found,) = await log_of(store, session)
    assert time == found.created_at
    assert time.tzinfo is found.created_at.tzinfo


CONTENTS: dict[str, Content] = {
    "text": "hello",
    "unicode": "你好 🙂 \u0301e \u200d \ufeff \U0010ffff",
    "spaces and ends of line": " \t a\r\nb\n ",
    "looks like JSON": '{"$ref": "x"}',
    "looks like a number": "1",
    "null": None,
    "parts": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}],
    "no parts": [],
    "odd parts": [{"type": "odd", **odd} for odd in ODD_JSON.values()],
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
async def test_content_comes_back_exactly(store: MongoSessionStore, content: Content) -> None:
    session = await open_session(store)

    await store.append(ALICE, session.id, [message(content=content)])

    (found,) = await log_of(store, session)
    assert json.dumps(content) == json.dumps(found.content)


@pytest.mark.parametrize("field", ["metadata", "extra", "tool_calls"])
@pytest.mark.parametrize("odd", ODD_JSON.values(), ids=ODD_JSON)
async def test_free_form_fields_come_back_exactly(
    store: MongoSessionStore, field: str, odd: JsonObject
) -> None:
    session = await open_session(store)
    value: Any = [odd, odd] if field == "tool_calls" else odd

    await store.append(ALICE, session.id, [message(**{field: value})])

    (found,) = await log_of(store, session)
    assert json.dumps(value) == json.dumps(getattr(found, field))


@pytest.mark.parametrize("role", Role)
async def test_every_role_and_every_named_field_comes_back(
    store: MongoSessionStore, role: Role
) -> None:
    session = await open_session(store)
    full = Message(role=role, content="x", name="Ada", tool_call_id="c1", client_key="k")

    await store.append(ALICE, session.id, [full])

    assert [full.model_copy(update={"seq": 1})] == await log_of(store, session)


async def test_an_append_for_another_end_stores_nothing_and_says_where_the_log_ends(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store, "ab")

    for end in (0, 1, 3, 1000):
        with pytest.raises(LogEndsElsewhere) as refused:
            await store.append(ALICE, session.id, messages("x"), if_end=end)
        assert refused.value.end == 2
    appended = await store.append(ALICE, session.id, messages("cd"), if_end=2)

    assert seqs_of(appended) == [3, 4]
    assert texts_of(await log_of(store, session)) == "abcd"


async def test_of_many_appends_for_one_end_one_is_stored(
    store: MongoSessionStore, other_store: MongoSessionStore
) -> None:
    session = await open_session(store, "a")
    stores = [store, other_store]

    outcomes = await asyncio.gather(
        *(
            stores[n % 2].append(ALICE, session.id, messages("xyz"[: n % 3 + 1]), if_end=1)
            for n in range(20)
        ),
        return_exceptions=True,
    )

    stored = [outcome for outcome in outcomes if isinstance(outcome, list)]
    assert len(stored) == 1
    assert sum(isinstance(outcome, LogEndsElsewhere) for outcome in outcomes) == 19
    assert await log_of(store, session) == [*(await log_of(store, session))[:1], *stored[0]]


async def test_appends_without_an_end_do_not_wait_for_those_with_one(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store)

    outcomes = await asyncio.gather(
        store.append(ALICE, session.id, messages("a")),
        store.append(ALICE, session.id, messages("x"), if_end=0),
        store.append(ALICE, session.id, messages("b")),
        store.append(ALICE, session.id, messages("c"), if_end=2),
        return_exceptions=True,
    )

    assert isinstance(outcomes[1], LogEndsElsewhere)
    assert texts_of(await log_of(store, session)) == "abc"


async def test_a_repeated_append_gets_its_messages_wherever_the_log_ends_now(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store)
    first = await store.append(ALICE, session.id, keyed("ab"), if_end=0)
    await store.append(ALICE, session.id, messages("c"))

    again = await store.append(ALICE, session.id, keyed("ab"), if_end=0)

    assert again == first
    assert texts_of(await log_of(store, session)) == "abc"


async def test_a_cleared_log_still_ends_where_it_did(store: MongoSessionStore) -> None:
    session = await open_session(store, "ab")
    await store.update(ALICE, session.id, emptied)

    [appended] = await store.append(ALICE, session.id, messages("c"), if_end=2)

    assert appended.seq == 3


async def test_nothing_is_stored_for_an_unknown_session(
    store: MongoSessionStore, database: Database
) -> None:
    unknown = uuid4()

    with pytest.raises(SessionNotFound):
        await store.append(ALICE, unknown, messages("ab"))

    assert await stored_seqs(database, unknown) == []


async def test_an_acknowledged_message_is_shown_by_the_next_read(store: MongoSessionStore) -> None:
    session = await open_session(store)

    for count in range(1, 21):
        await store.append(ALICE, session.id, messages("x"))
        head, found = await store.read(ALICE, session.id, EVERYTHING)

        assert (count, count) == (head.end, len(found))
