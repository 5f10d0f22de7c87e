"""Windows on a log: which numbers a page holds.

The log is dense, so a page is a range of numbers and costs the same wherever it lies.
"""

from typing import NamedTuple

from service.domain.models import Session


class Window(NamedTuple):
    """`limit` messages of a log, after leaving out `skip` of them.

    Counts from the oldest message, or, when `newest`, back from the newest one, of those with
    a number after `after` and before `before`. Shown oldest first either way.
    """

    limit: int
    skip: int = 0
    newest: bool = False
    after: int = 0
    before: int | None = None


def seqs_in(window: Window, session: Session) -> range:
    """Return the numbers the window shows of the session's log, ascending; maybe none."""
    oldest = max(session.start, window.after + 1)
    newest = session.end if window.before is None else min(session.end, window.before - 1)
    if window.newest:
        last = newest - window.skip
        first = max(oldest, last - window.limit + 1)
    else:
        first = oldest + window.skip
        last = min(newest, first + window.limit - 1)
    return range(first, last + 1)
