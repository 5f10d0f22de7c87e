"""A process that is frozen between looking at a head and storing what goes on from it.

It wakes up after the grace time: what would have stopped it was removed meanwhile.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from config.settings import HEADS_KNOWN_FOR_S
from service.domain.access import EVERYBODY
from service.domain.errors import SessionNotFound
from service.domain.models import Session, utc_now
from service.domain.sessions import emptied
from service.domain.transfer.conversation_line import Defaults, read_line
from service.domain.transfer.transfer import Transfer
from service.storage import known_heads
from service.storage.append.append_log import AppendLog
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from tests.contract.building import (
    ALICE,
    EVERYTHING,
    keyed,
    log_interrupted_before_insert,
    log_of,
    messages,
    open_session,
    seqs_of,
    stored_entries,
    stored_seqs,
    texts_of,
)
from tests.contract.conftest import REAL_KINDS
from tests.memory import MemoryUserStore

SOON = utc_now() + timedelta(hours=1)

Frozen = Callable[[Callable[[], Awaitable[object]]], AppendLog]


@pytest.fixture(params=REAL_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def frozen(database: Database, monkeypatch: pytest.MonkeyPatch) -> Frozen:
    """Return the log of a process that is frozen before it stores, while something happens."""
    now_s = known_heads.now_s

    def frozen_while(happening: Callable[[], Awaitable[object]]) -> AppendLog:
        async def freeze() -> None:
            await happening()
            later_s = HEADS_KNOWN_FOR_S
            monkeypatch.setattr(known_heads, "now_s", lambda: now_s() + later_s)

        return log_interrupted_before_insert(database, freeze)

    return frozen_while


async def test_it_stores_nothing_in_a_session_that_is_gone(
    store: MongoSessionStore, database: Database, frozen: Frozen
) -> None:
    session = await open_session(store, "ab")

    async def delete_and_sweep() -> None:
        await store.delete(ALICE, session.id)
        await store.sweep(begun_before=SOON)

    with pytest.raises(SessionNotFound):
        await frozen(delete_and_sweep).append(ALICE, session.id, messages("cd"))

    assert await stored_entries(database, session.id) == []


async def test_it_appends_after_a_clear_that_is_swept(
    store: MongoSessionStore, database: Database, frozen: Frozen
) -> None:
    session = await open_session(store, "ab")

    async def append_clear_and_sweep() -> None:
        await store.append(ALICE, session.id, messages("cdef"))
        await store.update(ALICE, session.id, emptied)
        await store.sweep(begun_before=SOON)

    appended = await frozen(append_clear_and_sweep).append(ALICE, session.id, keyed("xyz"))

    assert seqs_of(appended) == [7, 8, 9] == await stored_seqs(database, session.id)
    assert texts_of(await log_of(store, session)) == "xyz"


@pytest.mark.parametrize("texts", ["", "a", "abcdef"])
async def test_it_appends_to_the_end_of_a_session_that_was_imported_again(
    store: MongoSessionStore, database: Database, frozen: Frozen, texts: str
) -> None:
    session = await open_session(store, "abc")

    async def import_again() -> None:
        await store.delete(ALICE, session.id)
        await store.sweep(begun_before=SOON)
        await Transfer(store, MemoryUserStore()).restore(
            read_line(line_of(session, texts), Defaults(None, None))
        )

    await frozen(import_again).append(ALICE, session.id, messages("x"))

    head, log = await store.read(EVERYBODY, session.id, EVERYTHING)
    assert texts_of(log) == f"{texts}x"
    assert seqs_of(log) == list(range(head.start, head.end + 1))
    assert await stored_seqs(database, session.id) == seqs_of(log)


async def test_it_goes_on_where_nothing_happened_meanwhile(
    store: MongoSessionStore, frozen: Frozen
) -> None:
    session = await open_session(store, "ab")

    async def nothing() -> None:
        pass

    appended = await frozen(nothing).append(ALICE, session.id, messages("cd"))

    assert appended == (await log_of(store, session))[2:]
    assert texts_of(await log_of(store, session)) == "abcd"


async def test_a_delete_that_was_frozen_deletes_what_is_there_now(
    store: MongoSessionStore, database: Database, frozen: Frozen
) -> None:
    session = await open_session(store, "ab")
    head = await store.get(ALICE, session.id)

    async def append_clear_and_sweep() -> None:
        await store.append(ALICE, session.id, messages("cd"))
        await store.update(ALICE, session.id, emptied)
        await store.sweep(begun_before=SOON)

    await frozen(append_clear_and_sweep).fence(head, known_heads.now_s())

    with pytest.raises(SessionNotFound):
        await store.append(ALICE, session.id, messages("x"))
    await store.sweep(begun_before=SOON)
    assert await stored_entries(database, session.id) == []


def line_of(session: Session, texts: str) -> bytes:
    head = f'"session_id": "{session.id}", "user_id": "{session.user_id}", "agent_id": "agent"'
    log = ", ".join(f'{{"role": "user", "content": "{text}"}}' for text in texts)
    return f'{{{head}, "messages": [{log}]}}'.encode()
