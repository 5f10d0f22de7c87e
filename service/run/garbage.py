"""How often Python looks for cycles of garbage: rarely, and never among permanent objects.

A collection walks all live objects. By default, it does so after every few hundred new
objects, so after every few requests: a quarter of a request's time under load, and pauses
that show in the 99th percentile (measured: decision 0019). Nearly everything that a request
leaves is freed immediately, without a collection.
"""

import gc

NEW_OBJECTS = 20_000
YOUNG_COLLECTIONS = 20
MIDDLE_COLLECTIONS = 100


def collect_rarely() -> None:
    """Exempt all objects that live now, and collect among the rest when many are new."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, YOUNG_COLLECTIONS, MIDDLE_COLLECTIONS)
