"""The load uses every operation, at its own pace, and repeats itself with the same seed."""

import asyncio
from random import Random

from tests.faults.client import Attempt, asked
from tests.faults.dialects import WIRE
from tests.faults.history import Dialect, History, Kind, Operation, Outcome
from tests.faults.load import Load, drive
from tests.faults.simulation import VirtualLoop, simulate

SEEDS = range(8)


class Slow:
    """Responds after ten seconds; counts how many wait at the same time."""

    def __init__(self) -> None:
        self.waiting = 0
        self.most_waiting = 0

    async def make(self, attempt: Attempt, _: Random) -> Operation:
        time = asyncio.get_running_loop().time
        invoked_s = time()
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        await asyncio.sleep(10)
        self.waiting -= 1
        fields = asked(attempt) | {"session": attempt.ask.session or f"session{attempt.call}"}
        return Operation(
            **fields, invoked_s=invoked_s, completed_s=time(), outcome=Outcome.OK, status=200
        )


def most_waiting(load: Load) -> int:
    slow = Slow()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(drive(slow, load, History(load.seed)))
    return slow.most_waiting


def test_the_same_seed_gives_the_same_history() -> None:
    first, second = simulate(5), simulate(5)

    assert first == second


def test_every_operation_of_every_dialect_is_requested() -> None:
    asked_for = {
        (operation.dialect, operation.kind, len(operation.sent) > 1)
        for seed in SEEDS
        for operation in simulate(seed)[0].operations
    }

    assert asked_for == set(WIRE)


def test_users_request_sessions_of_others() -> None:
    history, _ = simulate(1)
    owners = {op.session: op.user for op in history.of_kind(Kind.CREATE)}

    foreign = [op for op in history.operations if op.user != owners.get(op.session, op.user)]

    assert {operation.kind for operation in foreign} >= {Kind.APPEND, Kind.HISTORY}


def test_arrivals_do_not_wait_for_responses() -> None:
    load = Load(seed=1, rate_per_s=100, duration_s=5, max_in_flight=1000, sessions=2)

    assert most_waiting(load) > 300


def test_no_more_than_allowed_are_in_flight() -> None:
    load = Load(seed=1, rate_per_s=100, appends=50, max_in_flight=7, sessions=2)

    assert most_waiting(load) == 7


def test_an_excluded_dialect_is_never_used() -> None:
    history = History(1)
    load = Load(seed=1, appends=50, sessions=2, dialects=frozenset({Dialect.NATIVE}))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(drive(Slow(), load, history))

    assert {operation.dialect for operation in history.operations} == {Dialect.NATIVE}
