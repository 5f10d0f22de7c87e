"""Heads as documents that are decoded once: the same bytes are always the same head.

A head is read for every request and changes only with a write. Decoding one costs
more than fetching it in a batch (decision 0019).
"""

import bson
from bson.raw_bson import RawBSONDocument

from service.domain.models import Session
from service.storage.documents import from_head

# About 3 KB each.
MAX_HEADS = 5000
# Those with long settings are decoded each time: kept, they could fill the memory.
MAX_KEPT_BYTES = 1024
# A document begins with its id. All of it is compared, so another beginning does no harm.
ID_BYTES = 30

_kept: dict[bytes, tuple[bytes, Session]] = {}


def decoded(head: RawBSONDocument) -> Session:
    raw = bytes(head.raw)
    if len(raw) > MAX_KEPT_BYTES:
        return _decode(raw)
    beginning = raw[:ID_BYTES]
    known = _kept.get(beginning)
    if known and known[0] == raw:
        return known[1]
    session = _decode(raw)
    # Only the newest of a session: what it was before an append is never read again.
    _kept[beginning] = raw, session
    if len(_kept) > MAX_HEADS:
        del _kept[next(iter(_kept))]
    return session


def _decode(raw: bytes) -> Session:
    return from_head(bson.decode(raw))
