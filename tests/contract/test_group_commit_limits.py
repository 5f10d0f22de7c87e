"""What bounds a batch and its queue, on a real MongoDB."""

import asyncio

import pytest

from service.domain.errors import StoreBusy
from service.domain.models import Message
from service.domain.rules import MAX_CONTENT_BYTES, MAX_METADATA_BYTES
from service.storage.append.append_log import MAX_BATCH, MAX_BATCH_BYTES, MAX_INSERTS, MAX_QUEUE
from service.storage.driver import Document
from service.storage.mongo import MongoSessionStore
from tests.contract.batching import (
    append_each,
    inserts_of,
    logs_of,
    open_sessions,
)
from tests.contract.building import ALICE, keyed, log_of, message
from tests.contract.conftest import REAL_KINDS
from tests.storage.mongo_commands import SentCommands


@pytest.fixture(params=REAL_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_full_batch_of_replays_is_answered_as_it_was_the_first_time(
    watched: tuple[MongoSessionStore, SentCommands],
) -> None:
    store, sent = watched
    sessions = await open_sessions(store, MAX_BATCH)
    first = await append_each(store, sessions, keyed("a"))
    sent.take()

    again = await append_each(store, sessions, keyed("a"))

    assert first == again
    assert len(inserts_of(sent.take())) <= MAX_INSERTS
    assert await logs_of(store, sessions) == ["a"] * MAX_BATCH


async def test_a_batch_of_too_many_appends_is_split(
    watched: tuple[MongoSessionStore, SentCommands],
) -> None:
    store, sent = watched
    (session,) = await open_sessions(store, 1)
    texts = [message(str(n)) for n in range(MAX_BATCH + 44)]

    await append_each(store, [session], texts)

    assert [len(entries) for entries in inserts_of(sent.take())] == [1 + MAX_BATCH, 1 + 44]
    assert [m.content for m in texts] == [m.content for m in await log_of(store, session)]


@pytest.mark.parametrize(
    ("field", "large"),
    [
        ("content", message("x" * MAX_CONTENT_BYTES)),
        ("content", message("я" * (MAX_CONTENT_BYTES // 2))),
        ("metadata", message("x", metadata={"x": "x" * (MAX_METADATA_BYTES - 8)})),
    ],
    ids=["content", "content of wide characters", "metadata"],
)
async def test_a_batch_of_too_many_bytes_is_split(
    watched: tuple[MongoSessionStore, SentCommands], field: str, large: Message
) -> None:
    store, sent = watched
    sessions = await open_sessions(store, 32)
    bytes_each = len(str(getattr(large, field)).encode())
    many = [large] * (2 * MAX_BATCH_BYTES // bytes_each // len(sessions))

    await asyncio.gather(*(store.append(ALICE, session.id, many) for session in sessions))

    sizes_bytes = [
        sum(len(_texts_in(field, entry)) for entry in entries)
        for entries in inserts_of(sent.take())
    ]
    assert len(sizes_bytes) >= 2
    assert max(sizes_bytes) <= MAX_BATCH_BYTES
    assert {len(many)} == {len(await log_of(store, session)) for session in sessions}


async def test_a_full_queue_refuses_immediately_and_stores_nothing_it_refused(
    store: MongoSessionStore,
) -> None:
    (session,) = await open_sessions(store, 1)
    texts = [message(str(n)) for n in range(MAX_QUEUE + 10)]

    answers = await append_each(store, [session], texts)

    log = await log_of(store, session)
    assert [StoreBusy] * 10 == [type(answer) for answer in answers[MAX_QUEUE:]]
    assert [m.content for m in texts[:MAX_QUEUE]] == [m.content for m in log]
    assert [answer[0] for answer in answers[:MAX_QUEUE]] == log


def _texts_in(field: str, entry: Document) -> bytes:
    """Return all texts of this field in an entry; a note has none."""
    if field == "content":
        return "".join(entry.get("content", [])).encode()
    return "".join(message[field] for message in entry.get("messages", [])).encode()
