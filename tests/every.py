"""`all` that cannot hold of nothing."""

from collections.abc import Iterable


def every(conditions: Iterable[object]) -> bool:
    """Say whether there is at least one condition, and all of them hold."""
    found = list(conditions)
    return bool(found) and all(found)
