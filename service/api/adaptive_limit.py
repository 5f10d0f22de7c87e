"""How many requests at once are answered in time: learned from those that were late."""

from collections.abc import Iterator
from contextlib import contextmanager

# Half of what an accepted request may take at the 99th percentile: the rest is for its swings,
# and for what it waits before this process has read it.
LATE_S = 0.5
# What was refused, or shown from memory, waited for nothing: it says nothing of those who do.
WAITED_S = 0.002
# One full batch of appends under way, and one that waits.
MOST_AT_ONCE = 512
LEAST_AT_ONCE = 64
# In balance, one of ten answers is just late: it takes back what nine in time have given.
GROWTH, FALL = 0.05, 0.45


class AdaptiveLimit:
    """Falls when answers come late, grows while they do not: nine of ten come in time.

    A request waits too long because of those beside it. So fewer are let in then, and whoever
    is not is told at once. One late answer does not count for all beside it: small batches cost
    more for each append, and one pause of the database would make all of them small. But each
    counts by the square of how late it is, so that a slow database has few to serve at once.
    """

    def __init__(self) -> None:
        self._limit = float(MOST_AT_ONCE)
        self._requests = 0

    @property
    def is_reached(self) -> bool:
        return self._requests >= self._limit

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request while it is answered."""
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    def learn(self, took_s: float) -> None:
        """Take note of how long an answer took that waited for nothing but this service."""
        if took_s > LATE_S:
            self._limit = max(LEAST_AT_ONCE, self._limit - FALL * (took_s / LATE_S) ** 2)
        elif took_s > WAITED_S:
            self._limit = min(MOST_AT_ONCE, self._limit + GROWTH)
