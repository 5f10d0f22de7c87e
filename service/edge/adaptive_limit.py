"""How many concurrent requests are served in time: learned from how long responses take."""

from collections.abc import Iterator
from contextlib import contextmanager

# Half of what an accepted request may take at the 99th percentile: the rest is for variation,
# and for the time it waits before this process has read it.
USUAL_S = 0.5
# One full batch of appends in progress, and one that waits.
MOST_AT_ONCE = 512
# The first requests may be those that take longest.
FIRST_AT_ONCE = 128
LEAST_AT_ONCE = 64


class AdaptiveLimit:
    """Converges on the concurrency at which a request takes `USUAL_S`.

    With fewer, each request would cost more; with more, they are late. Each response changes the
    limit by x(1 - x), x = duration / `USUAL_S`: logistic growth or decay, at most 2x per 0.35 s,
    whatever the load. So the limit soon recovers after a pause of the database, and soon shrinks
    if the database is slow. A response that took almost no time changes almost nothing.
    """

    def __init__(self) -> None:
        self._limit = float(FIRST_AT_ONCE)
        self._requests = 0

    @property
    def is_reached(self) -> bool:
        return self._requests >= self._limit

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request while it is served."""
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    def learn(self, took_s: float) -> None:
        """Take note of how long a response took that waited for nothing but this service."""
        share = took_s / USUAL_S
        limit = self._limit + share * (1 - share)
        self._limit = min(max(limit, LEAST_AT_ONCE), MOST_AT_ONCE)
