"""The load: arrivals on their own clock, which do not wait for each other's responses.

    history = History(seed)
    await run_load(urls, Load(seed=seed, rate_per_s=200, appends=10_000), history)

The service has to be started as `rig/service.py` does and, for turns of chats, with the scripted
model (`tests/scripted.py`), whose completions the record expects. `history` grows during the load,
so others may watch it. The seed determines what is chosen, not when responses come.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, fields
from itertools import count, cycle
from random import Random
from typing import Protocol

from tests.faults.bodies import body_of
from tests.faults.client import Attempt, Client
from tests.faults.dialects import Ask, dialects_for
from tests.faults.history import Dialect, History, Kind, Operation, Outcome
from tests.faults.targets import Fate, Target, Targets

MAX_TEXTS = 3
REPLAYABLE = 300
PAGE_SIZES = (3, 7, 10, 25)
MAX_PAGES = 100
RETRY_PAUSE_S = 0.2
MAX_RETRY_PAUSE_S = 2
PREPARE_TIMEOUT_S = 60
MAX_CALLS = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How often each is chosen; only the proportions count. A race is a delete during an append."""

    append: float = 50
    turn: float = 4
    replay: float = 5
    history: float = 8
    recent: float = 8
    get: float = 6
    list: float = 2
    walk: float = 2
    create: float = 2
    delete: float = 2
    clear: float = 1
    foreign: float = 3
    race: float = 0


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is sent. It ends after `duration_s`, or after that many calls that append.

    With an infinite rate, `max_in_flight` clients send as fast as responses come. With a
    finite rate, arrivals wait only when that many are in flight.
    """

    seed: int
    rate_per_s: float = math.inf
    max_in_flight: int = 64
    duration_s: float = math.inf
    appends: float = math.inf
    users: int = 8
    sessions: int = 60
    mix: Mix = field(default_factory=Mix)
    dialects: frozenset[Dialect] = frozenset(Dialect)
    deadline_s: float = 30


async def run_load(urls: Sequence[str], load: Load, history: History) -> None:
    """Send the load to these addresses; return when the last response has come."""
    client = Client(urls, deadline_s=load.deadline_s)
    try:
        await drive(client, load, history)
    finally:
        client.close()


class Asks(Protocol):
    """What makes the attempts: a client on the wire, or a simulation."""

    async def make(self, attempt: Attempt, random: Random) -> Operation: ...


async def drive(client: Asks, load: Load, history: History) -> None:
    """Make the attempts of the load; return when the last one is recorded."""
    await _Driver(client, load, history).run()


class _Driver:
    def __init__(self, client: Asks, load: Load, history: History) -> None:
        self._client = client
        self._load = load
        self._history = history
        self._random = Random(load.seed)
        self._users = [f"user{number}" for number in range(load.users)]
        self._targets = Targets(load.sessions, self._random)
        self._replayable: deque[Attempt] = deque(maxlen=REPLAYABLE)
        # Several loads of one history, each with its own seed, never send the same text twice.
        first = load.seed * MAX_CALLS
        self._numbers, self._calls, self._walks = count(first), count(first), count(first)
        self._appends = 0
        self._choices: dict[str, Callable[[], Awaitable[object]]] = {
            "append": self._append,
            "turn": self._turn,
            "replay": self._replay,
            "history": lambda: self._read(Kind.HISTORY),
            "recent": lambda: self._read(Kind.RECENT),
            "get": lambda: self._read(Kind.GET),
            "list": self._list,
            "walk": self._walk,
            "create": self._create,
            "delete": self._delete,
            "clear": self._clear,
            "foreign": self._foreign,
            "race": lambda: self._delete(beside_append=True),
        }
        self._weights = [getattr(load.mix, part.name) for part in fields(load.mix)]

    async def run(self) -> None:
        await self._prepare()
        slots = asyncio.Semaphore(self._load.max_in_flight)
        async with asyncio.TaskGroup() as tasks:
            async for _ in self._arrivals():
                await slots.acquire()
                task = tasks.create_task(self._one())
                task.add_done_callback(lambda _: slots.release())

    async def _prepare(self) -> None:
        """Create the first sessions, even if the service is not ready yet."""
        fates = cycle(Fate)
        async with asyncio.timeout(PREPARE_TIMEOUT_S):
            while not self._targets.are_enough:
                await self._create(next(fates))

    async def _arrivals(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        started_s = due_s = loop.time()
        while self._appends < self._load.appends:
            if self._load.rate_per_s < math.inf:
                due_s += self._random.expovariate(self._load.rate_per_s)
                await asyncio.sleep(max(0, due_s - loop.time()))
            if loop.time() - started_s >= self._load.duration_s:
                return
            yield

    async def _one(self) -> None:
        [name] = self._random.choices(list(self._choices), self._weights)
        await self._choices[name]()

    # What is chosen

    async def _append(self) -> None:
        await self._append_to(self._targets.any())

    async def _append_to(self, target: Target) -> None:
        dialect = self._dialect(Kind.APPEND)
        if dialect is not None:
            await self._send(target, dialect, texts=1, is_turn=False)

    async def _turn(self) -> None:
        target = self._targets.any()
        dialect = self._dialect(Kind.APPEND, is_turn=True)
        if dialect is Dialect.KEYED and target.fate is Fate.DELETED:
            # There the key would create a new session as soon as the old one is gone.
            dialect = Dialect.JULEP
        if dialect is not None:
            texts = self._random.randint(1, MAX_TEXTS) if dialect is Dialect.JULEP else 1
            await self._send(target, dialect, texts=texts, is_turn=True)

    async def _send(self, target: Target, dialect: Dialect, *, texts: int, is_turn: bool) -> None:
        self._appends += 1
        target.appends += 1
        ask = Ask(
            kind=Kind.APPEND,
            dialect=dialect,
            owner=target.owner,
            session=target.session,
            name=target.name,
            texts=tuple(self._text(target.owner) for _ in range(texts)),
            is_turn=is_turn,
            key=f"k{next(self._numbers)}" if dialect is Dialect.NATIVE else None,
        )
        last = await self._call(target.owner, ask)
        if ask.key is not None and last.is_acknowledged:
            self._replayable.append(Attempt(target.owner, ask, last.call, last.attempt))
        if target.is_full:
            await self._create(target.fate)

    async def _replay(self) -> None:
        """Repeat an acknowledged append: its key must prevent a second one."""
        if not self._replayable:
            return
        place = self._random.randrange(len(self._replayable))
        attempt = self._replayable[place]
        del self._replayable[place]
        again = attempt._replace(number=attempt.number + 1)
        await self._attempt(again)
        self._replayable.append(again)

    async def _read(self, kind: Kind) -> None:
        target = self._targets.any()
        dialect = self._dialect(kind)
        if dialect is not None:
            skip = self._random.choice((0, 0, 0, 5, 40)) if kind is not Kind.GET else 0
            limit = self._random.choice((5, 20, 100))
            await self._call(target.owner, _of(target, kind, dialect, skip=skip, limit=limit))

    async def _list(self) -> None:
        dialect = self._dialect(Kind.LIST)
        if dialect is not None:
            user = self._random.choice(self._users)
            await self._call(user, Ask(kind=Kind.LIST, dialect=dialect, owner=user))

    async def _walk(self) -> None:
        """Page through a log while others append to it."""
        target = self._targets.any_of(Fate.KEPT)
        dialects = self._load.dialects & {Dialect.NATIVE, Dialect.JULEP}
        if target is None or not dialects:
            return
        dialect = self._random.choice(sorted(dialects))
        limit, skip, walk = self._random.choice(PAGE_SIZES), 0, next(self._walks)
        for _ in range(MAX_PAGES):
            ask = _of(target, Kind.HISTORY, dialect, skip=skip, limit=limit)
            page = await self._call(target.owner, ask, walk=walk)
            skip += len(page.seen)
            if not page.is_acknowledged or len(page.seen) < limit:
                return

    async def _create(self, fate: Fate | None = None) -> None:
        owner, fate = self._random.choice(self._users), fate or self._random.choice(list(Fate))
        dialect = self._dialect(Kind.CREATE)
        if dialect is None:
            return
        name = None if dialect is Dialect.JULEP else f"{owner}:{next(self._numbers)}"
        ask = Ask(kind=Kind.CREATE, dialect=dialect, owner=owner, name=name)
        made = await self._call(owner, ask)
        if made.is_acknowledged and made.session is not None:
            self._targets.add(Target(made.session, owner, name, fate))

    async def _delete(self, *, beside_append: bool = False) -> None:
        target, dialect = self._targets.any_of(Fate.DELETED), self._dialect(Kind.DELETE)
        if target is not None and dialect is not None and self._targets.kill(target):
            appending = [self._append_to(target)] if beside_append else []
            delete = _of(target, Kind.DELETE, dialect)
            await asyncio.gather(*appending, self._call(target.owner, delete))
            await self._create(Fate.DELETED)

    async def _clear(self) -> None:
        target, dialect = self._targets.any_of(Fate.CLEARED), self._dialect(Kind.CLEAR)
        if target is not None and dialect is not None:
            await self._call(target.owner, _of(target, Kind.CLEAR, dialect))

    async def _foreign(self) -> None:
        """Request another user's session, or a change to it."""
        target = self._targets.any()
        others = [user for user in self._users if user != target.owner]
        kind = self._random.choice((Kind.HISTORY, Kind.RECENT, Kind.GET, Kind.APPEND, Kind.DELETE))
        dialect = self._dialect(kind)
        if not others or dialect is None:
            return
        user = self._random.choice(others)
        texts = (self._text(user),) if kind is Kind.APPEND else ()
        await self._call(user, _of(target, kind, dialect, texts=texts))

    # How it is sent

    async def _call(self, user: str, ask: Ask, walk: int | None = None) -> Operation:
        """Send, and retry once if that can do no harm; return the last attempt."""
        attempt = Attempt(user, ask, next(self._calls), walk=walk)
        operation = await self._attempt(attempt)
        if _is_worth_repeating(operation, ask):
            pause_s = operation.retry_after_s or RETRY_PAUSE_S
            await asyncio.sleep(min(pause_s, MAX_RETRY_PAUSE_S))
            operation = await self._attempt(attempt._replace(number=2))
        return operation

    async def _attempt(self, attempt: Attempt) -> Operation:
        operation = await self._client.make(attempt, self._random)
        self._history.record(operation)
        return operation

    # Chance

    def _dialect(self, kind: Kind, *, is_turn: bool = False) -> Dialect | None:
        able = [d for d in dialects_for(kind, is_turn=is_turn) if d in self._load.dialects]
        return self._random.choice(able) if able else None

    def _text(self, user: str) -> str:
        return body_of(user, next(self._numbers), self._random)


def _of(target: Target, kind: Kind, dialect: Dialect, **more: object) -> Ask:
    return Ask(
        kind=kind,
        dialect=dialect,
        owner=target.owner,
        session=target.session,
        name=target.name,
        **more,  # type: ignore[arg-type]
    )


def _is_worth_repeating(operation: Operation, ask: Ask) -> bool:
    """Say whether a careful client would retry: never if that might apply it twice."""
    if operation.outcome is Outcome.UNKNOWN:
        changes_once = ask.kind is Kind.CREATE or (ask.kind is Kind.APPEND and ask.key is None)
        return not changes_once or (ask.kind is Kind.CREATE and ask.dialect is Dialect.PYSPUR)
    return operation.outcome is Outcome.UNSENT or operation.status == 503
