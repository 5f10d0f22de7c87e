"""The limit on requests at once falls to what is answered in time, and grows again."""

from contextlib import ExitStack

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


def test_twice_too_late_halves_the_limit_at_once() -> None:
    clock = Clock()
    limit = AdaptiveLimit(clock)

    answered_together(limit, clock, 2 * LATE_S)

    assert answered_together(limit, clock, 0) == MOST_AT_ONCE // 2


def test_those_who_were_let_in_before_do_not_lower_it_again() -> None:
    clock = Clock()
    limit = AdaptiveLimit(clock)
    early = [limit.request() for _ in range(MOST_AT_ONCE)]
    for request in early:
        request.__enter__()
    clock.now_s += 2 * LATE_S

    for request in reversed(early):
        request.__exit__(None, None, None)
        clock.now_s += 0.001

    assert answered_together(limit, clock, 0) == MOST_AT_ONCE // 2


def test_it_never_falls_below_what_a_slow_database_allows() -> None:
    clock = Clock()
    limit = AdaptiveLimit(clock)

    for _ in range(5):
        answered_together(limit, clock, 100 * LATE_S)

    assert answered_together(limit, clock, 0) == LEAST_AT_ONCE


def test_it_grows_again_while_answers_are_in_time() -> None:
    clock = Clock()
    limit = AdaptiveLimit(clock)
    answered_together(limit, clock, 100 * LATE_S)

    for _ in range(1000):
        answered_together(limit, clock, LATE_S / 10)

    assert answered_together(limit, clock, 0) == MOST_AT_ONCE
