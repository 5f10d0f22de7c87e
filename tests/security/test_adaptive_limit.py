"""The limit on concurrent requests settles where each takes its usual time."""

from contextlib import ExitStack

import pytest

from service.edge.adaptive_limit import (
    FIRST_AT_ONCE,
    LEAST_AT_ONCE,
    MOST_AT_ONCE,
    USUAL_S,
    AdaptiveLimit,
)


def answered_together(limit: AdaptiveLimit, took_s: float) -> int:
    """Let in as many as the limit allows, answer all after that time; return how many they were."""
    count = 0
    with ExitStack() as requests:
        while not limit.is_reached:
            requests.enter_context(limit.request())
            count += 1
    for _ in range(count):
        limit.learn(took_s)
    return count


@pytest.fixture
def least() -> AdaptiveLimit:
    limit = AdaptiveLimit()
    while answered_together(limit, 2 * USUAL_S) > LEAST_AT_ONCE:
        pass
    return limit


def test_many_are_let_in_together_before_anything_is_measured() -> None:
    assert answered_together(AdaptiveLimit(), 0.1) == FIRST_AT_ONCE


def test_it_falls_while_responses_are_late_but_never_below_what_a_slow_database_allows() -> None:
    limit = AdaptiveLimit()
    at_once = [answered_together(limit, 1.2 * USUAL_S) for _ in range(20)]

    assert at_once == sorted(at_once, reverse=True)
    assert at_once[2] < FIRST_AT_ONCE * 0.7
    assert at_once[-1] == LEAST_AT_ONCE


def test_the_later_responses_come_the_sooner_it_falls() -> None:
    limit = AdaptiveLimit()

    limit.learn(10 * USUAL_S)

    assert answered_together(limit, 0) == LEAST_AT_ONCE


@pytest.mark.parametrize(("waiting_s", "each_s"), [(0.3, 0.001), (0.1, 0.002), (0.2, 0.004)])
def test_it_settles_where_a_request_takes_its_usual_time(
    least: AdaptiveLimit, waiting_s: float, each_s: float
) -> None:
    # A database that takes one time for a batch, plus another for each request in it.
    for _ in range(100):
        answered_together(least, waiting_s + each_s * answered_together(least, 0))

    assert answered_together(least, 0) == pytest.approx((USUAL_S - waiting_s) / each_s, rel=0.05)


def test_a_few_late_responses_lower_it_only_a_little() -> None:
    limit = AdaptiveLimit()

    for _ in range(10):
        limit.learn(2 * USUAL_S)

    assert answered_together(limit, 0) > FIRST_AT_ONCE * 0.8


def test_it_is_full_again_two_seconds_after_the_last_late_response(least: AdaptiveLimit) -> None:
    took_s = USUAL_S / 4
    rounds = int(2 / took_s)

    for _ in range(rounds):
        answered_together(least, took_s)

    assert answered_together(least, 0) == MOST_AT_ONCE


def test_responses_that_waited_for_nothing_do_not_hide_late_ones() -> None:
    limit = AdaptiveLimit()

    for _ in range(2000):
        limit.learn(2 * USUAL_S)
        for _ in range(20):
            limit.learn(0.002)

    assert answered_together(limit, 0) <= LEAST_AT_ONCE + 1
