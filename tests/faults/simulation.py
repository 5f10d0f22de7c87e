"""Histories without a service: the load against a model store, through a network that fails.

    history, state = simulate(seed=1)                   # the checker must find nothing
    history, state = simulate(seed=1, bug=Bug.SWAP)     # the checker must find something

The clock jumps from timer to timer, so that a minute takes only as long as the work in it.
"""

import asyncio
import selectors
from collections.abc import Mapping
from random import Random
from typing import Any

from tests.faults.client import Attempt, asked
from tests.faults.dialects import Facts
from tests.faults.final_state import FinalState
from tests.faults.history import History, Kind, Operation, Outcome
from tests.faults.load import Load, Mix, drive
from tests.faults.model_store import Bug, ModelStore, Refused

APPENDS = 100
SESSIONS = 6
USERS = 3
RATE_PER_S = 40
FAULT_SHARE = 0.12
LATE_S = 3
# More of what is rare in a real load, so that a short history contains all of it.
MIX = Mix(append=40, turn=6, replay=10, walk=8, create=1, delete=3, clear=2, foreign=4)
UNAVAILABLE: Mapping[str, Any] = {"status": 503, "retry_after_s": 1, "problem": "away"}


def simulate(
    seed: int, bug: Bug | None = None, appends: int = APPENDS
) -> tuple[History, FinalState]:
    """Return what a run with this seed records, and the state it leaves."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_run(seed, bug, appends))


async def _run(seed: int, bug: Bug | None, appends: int) -> tuple[History, FinalState]:
    history, random = History(seed), Random(f"network {seed}")
    store = ModelStore(asyncio.get_running_loop().time, random, bug)
    network = _Network(store, random, bug)
    load = Load(
        seed=seed, rate_per_s=RATE_PER_S, appends=appends, sessions=SESSIONS, users=USERS, mix=MIX
    )
    await drive(network, load, history)
    await network.settle()
    return history, store.final_state()


class _Clock(selectors.SelectSelector):
    """Instead of waiting for a timer, it jumps to its time."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += max(timeout or 0, 0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s


class _Network:
    """Carries attempts to the store and responses back, late, or only one of them, or neither."""

    def __init__(self, store: ModelStore, random: Random, bug: Bug | None) -> None:
        self._store = store
        self._random = random
        self._bug = bug
        self._late: set[asyncio.Task[None]] = set()

    async def make(self, attempt: Attempt, _: Random) -> Operation:
        time = asyncio.get_running_loop().time
        invoked_s = time()
        await self._travel()
        answered = await self._fail(attempt) if self._fails() else await self._do(attempt)
        await self._travel()
        fields = asked(attempt) | answered
        return Operation(**fields, invoked_s=invoked_s, completed_s=time())

    async def settle(self) -> None:
        """Return when even work that no one waits for any more is done."""
        await asyncio.gather(*self._late)

    def _fails(self) -> bool:
        return self._random.random() < FAULT_SHARE

    async def _travel(self) -> None:
        await asyncio.sleep(self._random.uniform(0.001, 0.1))

    async def _do(self, attempt: Attempt, messages: int | None = None) -> dict[str, Any]:
        try:
            facts = await self._store.do(attempt.user, attempt.ask, messages=messages)
        except Refused as refused:
            outcome = Outcome.UNKNOWN if refused.status >= 500 else Outcome.REFUSED
            return {"outcome": outcome, "status": refused.status}
        return {"outcome": Outcome.OK, "status": 200, **self._shown(facts)}

    def _shown(self, facts: Facts) -> dict[str, Any]:
        shown = {"seen": facts.seen, "heads": facts.heads, "canaries": self._store.owners(facts)}
        return shown | {"session": facts.session} if facts.session else shown

    async def _fail(self, attempt: Attempt) -> dict[str, Any]:
        """Lose the request, the response, or half of the work; or refuse it truthfully."""
        kind = self._random.choice(("unsent", "refused", "lost", "late", "half", "cut"))
        if kind == "unsent":
            return {"outcome": Outcome.UNSENT, "problem": "no connection"}
        if kind == "refused":
            if self._bug is Bug.WRONG_CLASS:
                await self._do(attempt)
            return {"outcome": Outcome.REFUSED, **UNAVAILABLE}
        if kind == "late":
            self._late.add(asyncio.create_task(self._do_late(attempt)))
        elif kind == "half" and attempt.ask.kind is Kind.APPEND:
            await self._do(attempt, messages=self._random.choice((0, len(attempt.ask.messages))))
        elif kind == "cut":
            await self._do(attempt)
        return {"outcome": Outcome.UNKNOWN, "problem": "the connection ended"}

    async def _do_late(self, attempt: Attempt) -> None:
        await asyncio.sleep(self._random.uniform(0, LATE_S))
        await self._do(attempt)
