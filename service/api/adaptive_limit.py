"""How many requests at once are answered in time: learned from those that were late."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# A third of what an accepted request may take at the 99th percentile: the rest is for its swings,
# and for what it waits before this process has read it.
LATE_S = 0.3
MOST_AT_ONCE = 500
LEAST_AT_ONCE = 64
GROWTH = 8


class AdaptiveLimit:
    """Falls when answers come late, to what would have been in time; grows while they are not.

    A request that waits longer than it may do so because of those beside it. So many fewer
    are let in then, and whoever is not is told at once: under any load, those who are served
    are served in time.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._limit = float(MOST_AT_ONCE)
        self._requests = 0
        self._learned_s = now_s()

    @property
    def is_reached(self) -> bool:
        return self._requests >= self._limit

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request while it is answered, and learn from how long that takes."""
        self._requests += 1
        beside, begun_s = self._requests, self._now_s()
        try:
            yield
        finally:
            self._requests -= 1
            self._learn(beside, begun_s)

    def _learn(self, beside: int, begun_s: float) -> None:
        took_s = self._now_s() - begun_s
        if took_s <= LATE_S:
            self._limit = min(MOST_AT_ONCE, self._limit + GROWTH / self._limit)
        elif begun_s >= self._learned_s:
            # Whoever came before that was let in under the former limit, and tells nothing new.
            self._limit = max(LEAST_AT_ONCE, min(self._limit, beside) * LATE_S / took_s)
            self._learned_s = self._now_s()
