"""The limit on requests at once falls to what is answered in time, and grows again."""

from contextlib import ExitStack

import pytest

from service.api.adaptive_limit import LATE_S, LEAST_AT_ONCE, MOST_AT_ONCE, AdaptiveLimit


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def answered_together(limit: AdaptiveLimit, clock: Clock, took_s: float) -> int:
    """Let in as many as the limit allows, answer all after that time; return how many it was."""
    count = 0
    with ExitStack() as requests:
        while not limit.is_reached:
            requests.enter_context(limit.request())
            count += 1
        clock.now_s += took_s
    return count


def test_many_are_let_in_at_once_while_nobody_knows_better() -> None:
    clock = Clock()

    assert answered_together(AdaptiveLimit(clock), clock, 0.1) == MOST_AT_ONCE


def test_it_falls_while_answers_come_late_never_below_what_a_slow_database_allows() -> None:
    clock = Clock()
    limit = AdaptiveLimit(clock)
    at_once = [answered_together(limit, clock, 2 * LATE_S) for _ in range(10)]

    assert at_once == sorted(at_once, reverse=True)
    assert at_once[2] < MOST_AT_ONCE / 2
    assert at_once[-1] == LEAST_AT_ONCE


def test_one_late_answer_in_ten_leaves_it_where_it_is() -> None:
    clock = Clock()
    limit = AdaptiveLimit(clock)
    answered_together(limit, clock, 2 * LATE_S)
    before = answered_together(limit, clock, 0)

    for _ in range(100):
        _answered(limit, clock, 2 * LATE_S)
        for _ in range(9):
            _answered(limit, clock, LATE_S / 2)

    assert answered_together(limit, clock, 0) == pytest.approx(before, abs=before * 0.1)


def test_one_pause_of_the_database_costs_less_than_half_of_it() -> None:
    clock = Clock()
    limit = AdaptiveLimit(clock)

    answered_together(limit, clock, 100 * LATE_S)

    assert answered_together(limit, clock, 0) > MOST_AT_ONCE / 2


def test_it_grows_again_while_answers_are_in_time() -> None:
    clock = Clock()
    limit = AdaptiveLimit(clock)
    for _ in range(10):
        answered_together(limit, clock, 100 * LATE_S)

    for _ in range(100):
        answered_together(limit, clock, LATE_S / 10)

    assert answered_together(limit, clock, 0) == MOST_AT_ONCE


def _answered(limit: AdaptiveLimit, clock: Clock, took_s: float) -> None:
    with limit.request():
        clock.now_s += took_s
