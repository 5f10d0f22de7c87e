"""How many requests at once are answered in time: learned from how long answers take."""

from collections.abc import Iterator
from contextlib import contextmanager

# Half of what an accepted request may take at the 99th percentile: the rest is for its swings,
# and for what it waits before this process has read it.
USUAL_S = 0.5
# One full batch of appends under way, and one that waits.
MOST_AT_ONCE = 512
# What comes first may be what takes longest.
FIRST_AT_ONCE = 128
LEAST_AT_ONCE = 64


class AdaptiveLimit:
    """Settles where those in flight take `USUAL_S`: fewer would cost more each, more are late.

    Each answer moves it by its share of that time, x, as x(1 - x). Answers come at a rate of the
    limit by their time, so that the limit grows and falls by the logistic law, at most twofold
    in 0.35 s, whatever the load: soon full again after a pause of the database, soon small
    beside a slow one. What took almost no time says almost nothing.
    """

    def __init__(self) -> None:
        self._limit = float(FIRST_AT_ONCE)
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
        share = took_s / USUAL_S
        limit = self._limit + share * (1 - share)
        self._limit = min(max(limit, LEAST_AT_ONCE), MOST_AT_ONCE)
