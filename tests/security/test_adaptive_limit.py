"""The limit on requests at once follows how many of ten answers are late."""

from contextlib import ExitStack

import pytest

from service.api.adaptive_limit import (
    LATE_S,
    LEAST_AT_ONCE,
    MOST_AT_ONCE,
    WAITED_S,
    AdaptiveLimit,
)


def answered_together(limit: AdaptiveLimit, took_s: float) -> int:
    """Let in as many as the limit allows, answer all after that time; return how many it was."""
    count = 0
    with ExitStack() as requests:
        while not limit.is_reached:
            requests.enter_context(limit.request())
            count += 1
    for _ in range(count):
        limit.learn(took_s)
    return count


def test_many_are_let_in_at_once_while_nobody_knows_better() -> None:
    assert answered_together(AdaptiveLimit(), 0.1) == MOST_AT_ONCE


def test_it_falls_while_answers_come_late_never_below_what_a_slow_database_allows() -> None:
    limit = AdaptiveLimit()
    at_once = [answered_together(limit, 1.2 * LATE_S) for _ in range(10)]

    assert at_once == sorted(at_once, reverse=True)
    assert at_once[2] < MOST_AT_ONCE / 2
    assert at_once[-1] == LEAST_AT_ONCE


def test_the_later_answers_come_the_sooner_it_falls() -> None:
    limit = AdaptiveLimit()

    for _ in range(MOST_AT_ONCE // 5):
        limit.learn(10 * LATE_S)

    assert answered_together(limit, 0) == LEAST_AT_ONCE


def test_one_late_answer_in_ten_leaves_it_where_it_is() -> None:
    limit = AdaptiveLimit()
    answered_together(limit, 2 * LATE_S)
    before = answered_together(limit, 0)

    for _ in range(100):
        limit.learn(1.01 * LATE_S)
        for _ in range(9):
            limit.learn(LATE_S / 2)

    assert answered_together(limit, 0) == pytest.approx(before, abs=before * 0.1)


def test_a_few_late_answers_cost_little_of_it() -> None:
    limit = AdaptiveLimit()

    for _ in range(10):
        limit.learn(2 * LATE_S)

    assert answered_together(limit, 0) > MOST_AT_ONCE * 0.95


def test_it_grows_again_while_answers_are_in_time() -> None:
    limit = AdaptiveLimit()
    for _ in range(10):
        answered_together(limit, 100 * LATE_S)

    for _ in range(100):
        answered_together(limit, LATE_S / 10)

    assert answered_together(limit, 0) == MOST_AT_ONCE


def test_answers_that_waited_for_nothing_do_not_hide_late_ones() -> None:
    limit = AdaptiveLimit()

    for _ in range(2000):
        limit.learn(2 * LATE_S)
        for _ in range(20):
            limit.learn(WAITED_S / 2)

    assert answered_together(limit, 0) == LEAST_AT_ONCE
