"""Heads this process moved lately: where it goes on without looking, while it writes alone."""

import time
from collections import OrderedDict
from collections.abc import Collection, Iterable
from uuid import UUID

from config.settings import HEADS_KNOWN_FOR_S
from service.domain.models import Session

MAX_HEADS = 10_000
DISTRUST_FOR_S = 10


class KnownHeads:
    """A head may be outdated: the unique numbers and the conditional move find that out.

    What was found out costs more calls than looking first. So heads are forgotten after
    some seconds, and all of them for a while when another process was met.
    """

    def __init__(self) -> None:
        self._heads: OrderedDict[UUID, tuple[Session, float]] = OrderedDict()
        self._distrusted_until_s = 0.0

    def among(self, session_ids: Collection[UUID]) -> dict[UUID, Session]:
        """Return the known ones of these heads."""
        now_s = time.monotonic()
        if now_s < self._distrusted_until_s:
            return {}
        found = ((id_, self._heads.get(id_)) for id_ in session_ids)
        return {id_: known[0] for id_, known in found if known and now_s < known[1]}

    def put(self, head: Session) -> None:
        now_s = time.monotonic()
        self._heads[head.id] = (head, now_s + HEADS_KNOWN_FOR_S)
        self._heads.move_to_end(head.id)
        oldest = next(iter(self._heads))
        if len(self._heads) > MAX_HEADS or self._heads[oldest][1] < now_s:
            del self._heads[oldest]

    def forget(self, session_ids: Iterable[UUID]) -> None:
        for session_id in session_ids:
            self._heads.pop(session_id, None)

    def distrust(self) -> None:
        self._heads.clear()
        self._distrusted_until_s = time.monotonic() + DISTRUST_FOR_S
