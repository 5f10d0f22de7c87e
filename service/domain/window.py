"""Windows on a log: which numbers a page holds.

The log is dense, so a page is a range of numbers and costs the same wherever it lies.
"""

from typing import NamedTuple

from service.domain.models import Session


class Window(NamedTuple):
    """`limit` messages of a log, after leaving out `skip` of them.

    Counts from the oldest message, or, when `newest`, back from the newest one.
    Shown oldest first either way.
    """

    limit: int
    skip: int = 0
    newest: bool = False


def seqs_in(window: Window, session: Session) -> range:
    """Return the numbers the window shows of the session's log, ascending; maybe none."""
    if window.newest:
        last = session.end - window.skip
        first = max(session.start, last - window.limit + 1)
    else:
        first = session.start + window.skip
        last = min(session.end, first + window.limit - 1)
    return range(first, last + 1)
