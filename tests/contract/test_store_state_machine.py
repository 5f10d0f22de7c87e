"""Two stores on a real MongoDB behave like a plain list, in whatever order they are used."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from service.domain.errors import IdempotencyKeyReused, SessionKeyTaken, SessionNotFound
from service.domain.models import ListPage, Message, Selection, Session, utc_now
from service.domain.sessions import emptied
from service.domain.window import Window
from service.storage.driver import Database
from service.storage.indexes import HISTORY, SESSIONS
from service.storage.mongo import MongoSessionStore
from tests.contract.building import ALICE, message, new_session, store_on
from tests.databases import connected, fresh_database, name_of
from tests.memory import MemorySessionStore
from tests.sizes import sized

EXAMPLES = sized(12, nightly=100)
STEPS = 40
WHOLE = ListPage(limit=1000)
ALL = Selection(user_id="alice")

Result = TypeVar("Result")
Sent = tuple[str, str | None]
Entry = tuple[int, str, str | None]

stores = st.sampled_from([0, 1])
texts = st.sampled_from("ab")
client_keys = st.none() | st.sampled_from(["k1", "k2", "k3"])
# An append does not repeat one of its own keys: the domain refuses that earlier.
sent_messages = st.lists(
    st.tuples(texts, client_keys),
    min_size=1,
    max_size=4,
    unique_by=lambda sent: sent[1] or object(),
)


@dataclass
class Log:
    """A session as a plain list: its entries with their numbers, and the next number."""

    key: str | None
    entries: list[Entry] = field(default_factory=list)
    end: int = 0

    def append(self, sent: list[Sent]) -> list[Entry]:
        """Return the result of the append, or raise as the store does and store nothing."""
        there = {key: (seq, text) for seq, text, key in self.entries if key}
        if any(key in there and there[key][1] != text for text, key in sent):
            raise IdempotencyKeyReused
        return [
            (there[key][0], text, key) if key in there else self._add(text, key)
            for text, key in sent
        ]

    def _add(self, text: str, key: str | None) -> Entry:
        self.end += 1
        entry = (self.end, text, key)
        self.entries.append(entry)
        return entry

    @property
    def start(self) -> int:
        return self.entries[0][0] if self.entries else self.end + 1

    def window(self, window: Window) -> list[Entry]:
        if not window.newest:
            return self.entries[window.skip : window.skip + window.limit]
        last = max(0, len(self.entries) - window.skip)
        return self.entries[max(0, last - window.limit) : last]


class World:
    """An event loop, and a client for each of two processes on one database."""

    def __init__(self, mongo_url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self.databases = self.run(self._open(mongo_url))

    def run(self, call: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(call)

    async def _open(self, mongo_url: str) -> list[Database]:
        enter = self._stack.enter_async_context
        first = await enter(fresh_database(await enter(connected("pymongo", mongo_url))))
        second = (await enter(connected("pymongo", mongo_url)))[name_of(first)]
        return [first, second]

    def store(self, number: int) -> MongoSessionStore | MemorySessionStore:
        return self.run(store_on(self.databases[number]))

    async def empty(self) -> None:
        for name in (SESSIONS, HISTORY):
            await self.databases[0][name].delete_many({})

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._loop.close()


class MemoryWorld(World):
    """A loop of its own, and one store in memory, which both processes use."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._store = MemorySessionStore()

    def store(self, number: int) -> MemorySessionStore:
        return self._store

    async def empty(self) -> None:
        self._store = MemorySessionStore()


class StoresBesideAModel(RuleBasedStateMachine):
    sessions = Bundle("sessions")

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        world.run(world.empty())
        self.stores = [world.store(0), world.store(1)]
        self.logs: dict[UUID, Log] = {}

    def outcome(self, call: Coroutine[Any, Any, Result]) -> Result | type[Exception]:
        try:
            return self.world.run(call)
        except (SessionNotFound, IdempotencyKeyReused, SessionKeyTaken) as error:
            return type(error)

    def expected_append(self, session_id: UUID, sent: list[Sent]) -> list[Entry] | type[Exception]:
        if session_id not in self.logs:
            return SessionNotFound
        try:
            return self.logs[session_id].append(sent)
        except IdempotencyKeyReused as error:
            return type(error)

    @rule(target=sessions, store=stores, key=st.none() | st.sampled_from("xy"))
    def create(self, store: int, key: str | None) -> UUID:
        session = new_session(key=key)
        taken = key is not None and key in {log.key for log in self.logs.values()}

        outcome = self.outcome(self.stores[store].create(session))

        assert (SessionKeyTaken if taken else None) == outcome
        if not taken:
            self.logs[session.id] = Log(key)
        return session.id

    @rule(store=stores, session_id=sessions, sent=sent_messages)
    def append(self, store: int, session_id: UUID, sent: list[Sent]) -> None:
        expected = self.expected_append(session_id, sent)

        outcome = self.outcome(self.stores[store].append(ALICE, session_id, to_messages(sent)))

        assert expected == shown(outcome)

    @rule(store=stores, session_id=sessions, sent=sent_messages)
    def append_twice(self, store: int, session_id: UUID, sent: list[Sent]) -> None:
        self.append(store, session_id, sent)
        self.append(1 - store, session_id, sent)

    @rule(store=stores, appends=st.lists(st.tuples(sessions, texts), min_size=2, max_size=8))
    def append_at_once(self, store: int, appends: list[tuple[UUID, str]]) -> None:
        expected = [self.expected_append(id_, [(text, None)]) for id_, text in appends]

        async def all_at_once() -> list[Any]:
            calls = (self.stores[store].append(ALICE, id_, [message(t)]) for id_, t in appends)
            return await asyncio.gather(*calls, return_exceptions=True)

        outcomes = self.world.run(all_at_once())

        assert expected == [shown(o) if isinstance(o, list) else type(o) for o in outcomes]

    @rule(store=stores, session_id=sessions)
    def clear(self, store: int, session_id: UUID) -> None:
        self.keep_newest(store, session_id, emptied, kept=0)

    @rule(store=stores, session_id=sessions, kept=st.integers(1, 3))
    def trim(self, store: int, session_id: UUID, kept: int) -> None:
        def trimmed(head: Session) -> Session:
            start = max(head.start, head.end - kept + 1)
            return head.model_copy(update={"start": start})

        self.keep_newest(store, session_id, trimmed, kept=kept)

    def keep_newest(
        self, store: int, session_id: UUID, change: Callable[[Session], Session], *, kept: int
    ) -> None:
        outcome = self.outcome(self.stores[store].update(ALICE, session_id, change))

        assert (outcome is SessionNotFound) == (session_id not in self.logs)
        if log := self.logs.get(session_id):
            log.entries = log.entries[len(log.entries) - min(kept, len(log.entries)) :]

    @rule(store=stores, session_id=sessions)
    def delete(self, store: int, session_id: UUID) -> None:
        outcome = self.outcome(self.stores[store].delete(ALICE, session_id))

        assert (SessionNotFound, None)[session_id in self.logs] == outcome
        self.logs.pop(session_id, None)

    @rule(
        store=stores,
        session_id=sessions,
        window=st.builds(
            Window, limit=st.integers(1, 8), skip=st.integers(0, 8), newest=st.booleans()
        ),
    )
    def read(self, store: int, session_id: UUID, window: Window) -> None:
        outcome: Any = self.outcome(self.stores[store].read(ALICE, session_id, window))

        if session_id not in self.logs:
            assert outcome is SessionNotFound
        else:
            head, found = outcome
            log = self.logs[session_id]
            assert log.window(window) == shown(found)
            assert (log.start, log.end) == (head.start, head.end)

    @rule(store=stores)
    def restart(self, store: int) -> None:
        self.world.run(self.stores[store].close())
        self.stores[store] = self.world.store(store)

    @rule(store=stores)
    def sweep_later(self, store: int) -> None:
        """Sweep when no store still knows an older head: a real sweep waits that long."""
        self.restart(0)
        self.restart(1)
        while self.world.run(self.stores[store].sweep(begun_before=utc_now() + timedelta(days=1))):
            pass

    @invariant()
    def lists_show_the_heads_there_are(self) -> None:
        # Each store's lists show what it has stored itself; the last one shows all.
        for store in self.stores:
            heads = self.world.run(store.list_heads(ALICE, WHOLE, ALL))

        found = {head.id: (head.key, head.start, head.end) for head in heads}
        assert {id_: (log.key, log.start, log.end) for id_, log in self.logs.items()} == found

    def teardown(self) -> None:
        for id_, log in self.logs.items():
            for store in self.stores:
                _, found = self.world.run(store.read(ALICE, id_, Window(limit=1000)))
                assert log.entries == shown(found)
        for store in self.stores:
            self.world.run(store.close())


def to_messages(sent: list[Sent]) -> list[Message]:
    return [message(text, client_key=key) for text, key in sent]


def shown(outcome: Any) -> Any:
    """Return messages in the model's form, and anything else as it is."""
    if not isinstance(outcome, list):
        return outcome
    return [(m.seq, m.content, m.client_key) for m in outcome]


@pytest.fixture
def world(mongo_url: str) -> Iterator[World]:
    world = World(mongo_url)
    yield world
    world.close()


@pytest.mark.no_cover
def test_two_stores_behave_like_a_plain_list(world: World) -> None:
    run_machine(world)


def test_the_store_in_memory_behaves_like_a_plain_list() -> None:
    world = MemoryWorld()
    run_machine(world)
    world.close()


def run_machine(world: World) -> None:
    machine: Any = partial(StoresBesideAModel, world)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
