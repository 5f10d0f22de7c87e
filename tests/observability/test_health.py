"""A process is ready while its database responds, with patience, and until it stops."""

import asyncio

import pytest

from service.domain.errors import StoreUnavailable
from service.observability.health import FAILING_AFTER_S, PING_TIMEOUT_S, Readiness


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Store:
    """A store whose database can be taken away."""

    def __init__(self) -> None:
        self.is_prepared = True
        self.is_away = False
        self.hangs = False

    async def ping(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_away:
            raise StoreUnavailable


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def readiness(clock: Clock, store: Store) -> Readiness:
    """Return the readiness of a process whose database has responded."""
    readiness = Readiness(clock)
    await readiness.check(store)
    return readiness


def test_a_process_is_not_ready_before_its_database_has_responded(clock: Clock) -> None:
    assert Readiness(clock).failed() == ["mongodb", "indexes"]


def test_a_process_whose_database_has_responded_is_ready(readiness: Readiness) -> None:
    assert readiness.failed() == []


async def test_a_process_stays_ready_while_its_database_is_away_for_an_election(
    readiness: Readiness, clock: Clock, store: Store
) -> None:
    store.is_away = True
    await readiness.check(store)
    clock.now_s += FAILING_AFTER_S - 1
    await readiness.check(store)

    assert readiness.failed() == []


async def test_a_database_that_is_away_for_longer_is_named(
    readiness: Readiness, clock: Clock, store: Store
) -> None:
    store.is_away = True
    await readiness.check(store)
    clock.now_s += FAILING_AFTER_S
    await readiness.check(store)

    assert readiness.failed() == ["mongodb"]


async def test_one_response_is_enough_to_be_ready_again(
    readiness: Readiness, clock: Clock, store: Store
) -> None:
    store.is_away = True
    await readiness.check(store)
    clock.now_s += FAILING_AFTER_S
    store.is_away = False
    await readiness.check(store)

    assert readiness.failed() == []


async def test_a_process_that_has_not_pinged_for_long_is_still_ready(
    readiness: Readiness, clock: Clock
) -> None:
    clock.now_s += 10 * FAILING_AFTER_S

    assert readiness.failed() == []


async def test_a_hanging_ping_is_given_up_in_time(
    readiness: Readiness, clock: Clock, store: Store
) -> None:
    store.hangs = True

    async with asyncio.timeout(PING_TIMEOUT_S + 1):
        await readiness.check(store)

    clock.now_s += FAILING_AFTER_S
    assert readiness.failed() == ["mongodb"]


async def test_missing_indexes_are_named(readiness: Readiness, store: Store) -> None:
    store.is_prepared = False
    await readiness.check(store)

    assert readiness.failed() == ["indexes"]


def test_a_stopping_process_is_not_ready(readiness: Readiness) -> None:
    readiness.drain()

    assert readiness.failed() == ["draining"]
