"""How often Python looks for cycles of garbage: rarely, and never among what stays for good.

A collection walks all that lives. As it comes, it does so after each few hundred new
objects, so after each few requests: a quarter of a request's time under load, and pauses
that show in the 99th percentile (measured: decision 0019). Nearly all that a request
leaves is freed at once, without a collection.
"""

import gc

NEW_OBJECTS = 20_000
YOUNG_COLLECTIONS = 20
MIDDLE_COLLECTIONS = 100


def collect_rarely() -> None:
    """Leave out all that lives now, and look at the rest when much of it is new."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, YOUNG_COLLECTIONS, MIDDLE_COLLECTIONS)
