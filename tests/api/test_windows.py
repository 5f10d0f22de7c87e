"""Encoded windows: shown again only while they are current, and within a bound."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from service.api.kit.window_cache import ENTRY_OVERHEAD_BYTES, EncodedWindows
from service.domain.access import AGENT_SCOPE_PREFIX, Caller, Reach
from service.domain.errors import SessionForeign, SessionNotFound
from service.domain.models import Message, NewMessage, NewSession, Session, utc_now
from service.domain.sessions import Sessions
from service.domain.window import Window
from service.storage.mongo import MongoSessionStore
from tests.databases import connected, fresh_database, name_of
from tests.every import every

ALICE = Caller(user_id="alice")
BOB = Caller(user_id="bob")
DASHBOARD = Caller(user_id="bob", scopes=frozenset({f"{AGENT_SCOPE_PREFIX}agent"}))
NEWEST = Window(limit=5, newest=True)
OLDEST = Window(limit=5)
PLENTY_BYTES = 1_000_000
LONG_S = 60.0


class Replica:
    """A process of the service: its own client, store and kept windows."""

    def __init__(self, store: MongoSessionStore) -> None:
        self.store = store
        self.sessions = Sessions(store)
        self.windows = self.keeping()

    def keeping(
        self, *, max_bytes: int = PLENTY_BYTES, max_age_s: float = LONG_S
    ) -> EncodedWindows:
        return EncodedWindows(self.sessions, max_bytes=max_bytes, max_age_s=max_age_s)

    async def open(self, texts: str = "") -> UUID:
        session = await self.sessions.create(ALICE, NewSession(agent_id="agent"))
        if texts:
            await self.append(session.id, texts)
        return session.id

    async def append(self, session_id: UUID, texts: str) -> None:
        sent = [NewMessage(role="user", content=text) for text in texts]
        await self.sessions.append(ALICE, session_id, sent)

    async def shown(self, session_id: UUID, window: Window = NEWEST) -> str:
        return await shown(self.windows, session_id, window)


async def shown(
    windows: EncodedWindows, session_id: UUID, window: Window = NEWEST, caller: Caller = ALICE
) -> str:
    _, data = await windows.read(caller, session_id, window, kind="texts", encode=texts_of)
    return data.decode()


def texts_of(messages: list[Message]) -> bytes:
    return "".join(str(message.content) for message in messages).encode()


@pytest.fixture
async def replicas(mongo_url: str) -> AsyncIterator[tuple[Replica, Replica]]:
    """Give two processes that share one database and nothing else."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(connected("pymongo", mongo_url))
        second = await stack.enter_async_context(connected("motor", mongo_url))
        database = await stack.enter_async_context(fresh_database(first))
        stores = [
            MongoSessionStore(client[name_of(database)], append_deadline_s=20)
            for client in (first, second)
        ]
        for store in stores:
            await store.prepare()
        yield Replica(stores[0]), Replica(stores[1])
        for store in stores:
            await store.close()


@pytest.fixture
def here(replicas: tuple[Replica, Replica]) -> Replica:
    return replicas[0]


@pytest.fixture
def there(replicas: tuple[Replica, Replica]) -> Replica:
    return replicas[1]


def trimmed(head: Session) -> Session:
    return head.model_copy(update={"start": head.end})


Change = Callable[[Replica, UUID], Awaitable[Any]]

CHANGES: dict[str, tuple[Change, str, str]] = {
    "append": (lambda there, id_: there.append(id_, "d"), "abcd", "abcd"),
    "append that fills the window": (
        lambda there, id_: there.append(id_, "defg"),
        "cdefg",
        "abcde",
    ),
    "clear": (lambda there, id_: there.sessions.clear(ALICE, id_), "", ""),
    "trim": (lambda there, id_: there.sessions.update(ALICE, id_, trimmed), "c", "c"),
}


async def clear_and_fill(there: Replica, session_id: UUID) -> None:
    await there.sessions.clear(ALICE, session_id)
    await there.append(session_id, "xyz")


CHANGES["clear and as many new messages"] = (clear_and_fill, "xyz", "xyz")


@pytest.mark.parametrize(("change", "newest", "oldest"), CHANGES.values(), ids=CHANGES)
async def test_no_window_is_shown_after_another_process_changes_its_session(
    here: Replica, there: Replica, change: Change, newest: str, oldest: str
) -> None:
    session_id = await here.open("abc")
    before = [await here.shown(session_id, window) for window in (NEWEST, OLDEST)]

    await change(there, session_id)

    assert before == ["abc", "abc"]
    for replica in (here, there):
        assert newest == await replica.shown(session_id, NEWEST)
        assert oldest == await replica.shown(session_id, OLDEST)


async def test_no_window_is_shown_after_another_process_deletes_its_session(
    here: Replica, there: Replica
) -> None:
    session_id = await here.open("abc")
    await here.shown(session_id)

    await there.sessions.delete(ALICE, session_id)

    with pytest.raises(SessionNotFound):
        await here.shown(session_id)


async def test_windows_of_two_processes_show_everything_either_has_acknowledged(
    here: Replica, there: Replica
) -> None:
    session_id = await here.open()
    texts = "abcdefghijklmnopqrstuvwxyz"
    acknowledged = ""

    async def read(replica: Replica) -> list[bool]:
        seen = []
        while acknowledged != texts:
            before = acknowledged
            found = await replica.shown(session_id, Window(limit=100))
            seen.append(texts.startswith(found) and found.startswith(before))
        return seen

    readers = [asyncio.create_task(read(replica)) for replica in (here, there) for _ in range(4)]
    for i, text in enumerate(texts):
        await (here, there)[i % 2].append(session_id, text)
        acknowledged += text
    seen = await asyncio.gather(*readers)

    assert every(all(found) for found in seen)
    assert min(map(len, seen)) > 3


async def test_a_window_is_read_and_encoded_once_while_nothing_changes(here: Replica) -> None:
    session_id = await here.open("abc")

    found = [await here.shown(session_id) for _ in range(3)]

    assert found == ["abc"] * 3
    assert (here.windows.misses, here.windows.hits) == (1, 2)


async def test_each_kind_of_encoding_is_kept_separately(here: Replica) -> None:
    session_id = await here.open("abc")

    async def counted() -> bytes:
        _, data = await here.windows.read(
            ALICE, session_id, NEWEST, kind="count", encode=lambda found: b"%d" % len(found)
        )
        return data

    first = (await here.shown(session_id), await counted())
    again = (await here.shown(session_id), await counted())

    assert first == again == ("abc", b"3")


async def test_a_kept_window_is_shown_only_to_those_who_may_read_it(here: Replica) -> None:
    session_id = await here.open("abc")
    await here.shown(session_id)

    with pytest.raises(SessionForeign):
        await shown(here.windows, session_id, caller=BOB)

    assert await shown(here.windows, session_id, caller=DASHBOARD) == "abc"
    assert here.windows.hits == 1


async def test_windows_never_exceed_their_bytes_and_the_least_recent_go_first(
    here: Replica,
) -> None:
    ids = [await here.open("abc") for _ in range(6)]
    windows = here.keeping(max_bytes=3 * (ENTRY_OVERHEAD_BYTES + 3))

    sizes_bytes = []
    for session_id in [*ids[:3], ids[0], *ids[3:5]]:
        await shown(windows, session_id)
        sizes_bytes.append(windows.size_bytes)
    hits = windows.hits
    for session_id in (ids[0], *ids[3:5]):
        await shown(windows, session_id)

    assert max(sizes_bytes) == 3 * (ENTRY_OVERHEAD_BYTES + 3)
    assert windows.hits - hits == 3


async def test_a_window_that_grows_replaces_itself_and_its_bytes(here: Replica) -> None:
    session_id = await here.open("a")
    await here.shown(session_id)

    await here.append(session_id, "bc")
    await here.shown(session_id)

    assert here.windows.size_bytes == ENTRY_OVERHEAD_BYTES + 3


@pytest.mark.parametrize("max_bytes", [0, ENTRY_OVERHEAD_BYTES])
async def test_without_room_for_a_window_none_is_kept_and_the_right_one_is_shown(
    here: Replica, max_bytes: int
) -> None:
    session_id = await here.open("abc")
    windows = here.keeping(max_bytes=max_bytes)

    found = [await shown(windows, session_id) for _ in range(2)]

    assert found == ["abc", "abc"]
    assert (windows.hits, windows.size_bytes) == (0, 0)


async def import_again(replica: Replica, session: Session, texts: str) -> None:
    """Delete a session and sweep, then give its id to a new one, as an import can."""
    await replica.store.delete(Reach(user_id="alice"), session.id)
    await replica.store.sweep(begun_before=utc_now() + timedelta(days=1))
    await replica.store.create(session.model_copy(update={"start": 1, "end": 0, "preview": None}))
    await replica.append(session.id, texts)


async def test_a_window_of_a_deleted_session_is_too_old_once_its_id_can_be_imported_again(
    here: Replica, there: Replica
) -> None:
    session_id = await here.open("abc")
    windows = here.keeping(max_age_s=0.5)
    session, _ = await windows.read(ALICE, session_id, NEWEST, kind="texts", encode=texts_of)

    await asyncio.sleep(0.5)
    await import_again(there, session, "xyz")

    assert await shown(windows, session_id) == "xyz"
