"""How many requests at once are answered in time: learned from those that were late."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Half of what an accepted request may take at the 99th percentile: the rest is for its swings,
# and for what it waits before this process has read it.
LATE_S = 0.5
# One full batch of appends under way, and one that waits.
MOST_AT_ONCE = 512
LEAST_AT_ONCE = 64
# In balance, one of ten answers is late: it takes back what nine in time have given.
GROWTH, FALL = 0.05, 0.45


class AdaptiveLimit:
    """Falls when answers come late, grows while they do not: nine of ten come in time.

    A request waits too long because of those beside it. So fewer are let in then, and whoever
    is not is told at once. It follows how many are late, and not how late one was: small batches
    cost more for each append, and one pause of the database would make all of them small.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._limit = float(MOST_AT_ONCE)
        self._requests = 0

    @property
    def is_reached(self) -> bool:
        return self._requests >= self._limit

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request while it is answered, and learn from how long that takes."""
        self._requests += 1
        begun_s = self._now_s()
        try:
            yield
        finally:
            self._requests -= 1
            self._learn(self._now_s() - begun_s)

    def _learn(self, took_s: float) -> None:
        if took_s <= LATE_S:
            self._limit = min(MOST_AT_ONCE, self._limit + GROWTH)
        else:
            self._limit = max(LEAST_AT_ONCE, self._limit - FALL)
