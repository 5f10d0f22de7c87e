"""Heads this process read lately, and where their logs end since its own appends."""

import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from config.settings import HEADS_KNOWN_FOR_S
from service.domain.models import Message, Session, preview_of

MAX_HEADS = 10_000
DISTRUST_FOR_S = 10
# Counts the time that the machine sleeps, too, where there is such a clock.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now_s() -> float:
    return time.clock_gettime(_CLOCK)


class KnownHead(NamedTuple):
    """A head as it was read, with the last message this process has appended since, if any.

    `known_s` is when it was certainly true: the time before it was read or moved. An append
    alone does not make it younger.
    """

    head: Session
    last: Message | None
    known_s: float

    @property
    def end(self) -> int:
        return self.last.seq if self.last else self.head.end

    @property
    def is_fresh(self) -> bool:
        """Whether it is certain that no entry that would stop an append there was purged since."""
        return now_s() - self.known_s < HEADS_KNOWN_FOR_S

    def appended(self, last: Message) -> "KnownHead":
        return self if last.seq <= self.end else KnownHead(self.head, last, self.known_s)

    def shown(self) -> Session:
        """Return the head as it is when it shows all of its log."""
        return showing(self.head, self.last) if self.last else self.head


class KnownHeads:
    """Where a process goes on without looking: the unique numbers find out when that is wrong.

    What was found out costs more calls than looking first. So an append uses only what is
    fresh, and for a while nothing when another process was met. Reads use them to ask only for
    what came later.
    """

    def __init__(self) -> None:
        self._heads: OrderedDict[UUID, KnownHead] = OrderedDict()
        self._distrusted_until_s = 0.0

    def among(self, session_ids: Collection[UUID]) -> dict[UUID, KnownHead]:
        """Return the known ones of these heads, however old."""
        return {id_: known for id_ in session_ids if (known := self._heads.get(id_))}

    def trusted(self, session_ids: Collection[UUID]) -> dict[UUID, KnownHead]:
        """Return those of these heads that an append may go on from."""
        if now_s() < self._distrusted_until_s:
            return {}
        return {id_: known for id_, known in self.among(session_ids).items() if known.is_fresh}

    def put(self, known: KnownHead) -> None:
        """Keep it, unless a later end of the log is known already."""
        session_id = known.head.id
        before = self._heads.get(session_id)
        if before and before.end > known.end:
            return
        self._heads[session_id] = known
        self._heads.move_to_end(session_id)
        if len(self._heads) > MAX_HEADS:
            self._heads.popitem(last=False)

    def confirm(self, moved: Mapping[UUID, Session], known_s: float) -> None:
        """Take note that these heads were moved, so that they were there at that time."""
        for session_id, head in moved.items():
            known = self._heads.get(session_id)
            if known and known.known_s < known_s:
                last = known.last if known.end > head.end else None
                self._heads[session_id] = KnownHead(head, last, known_s)

    def forget(self, session_ids: Iterable[UUID]) -> None:
        for session_id in session_ids:
            self._heads.pop(session_id, None)

    def distrust(self) -> None:
        self._distrusted_until_s = now_s() + DISTRUST_FOR_S


def showing(head: Session, last: Message) -> Session:
    """Return the head with a message as the last one of its log."""
    return head.model_copy(
        update={
            "end": last.seq,
            "preview": preview_of(last),
            "last_active": max(head.last_active, last.created_at),
        }
    )
