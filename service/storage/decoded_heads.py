"""Heads as documents that are decoded once: the same bytes are always the same head.

A head is read for every request and changes only when somebody writes. Decoding one costs
more than fetching it in a batch (decision 0019).
"""

from functools import lru_cache

import bson
from bson.raw_bson import RawBSONDocument

from service.domain.models import Session
from service.storage.documents import from_head

MAX_HEADS = 10_000
# Those with long settings are decoded each time: kept, they could fill the memory.
MAX_KEPT_BYTES = 1024


def decoded(head: RawBSONDocument) -> Session:
    raw = bytes(head.raw)
    return _kept(raw) if len(raw) <= MAX_KEPT_BYTES else _decode(raw)


def _decode(raw: bytes) -> Session:
    return from_head(bson.decode(raw))


_kept = lru_cache(MAX_HEADS)(_decode)
