"""Moves the heads behind the logs: all that this process owes, one batch at a time.

    append ──► insert: note, entries ──► acknowledged ──► owed ─┐
                                                                │ coalesced by session
      rest, three times as long as that took ◄── delete notes ◄─┴─ move the heads, one call

An idle follower starts immediately. Under load it rests, so that its share of the database's
time is bounded, and the appends to one session meanwhile cost one move.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from itertools import islice
from typing import TypeVar
from uuid import UUID

from service.domain.errors import SessionNotFound, StoreUnavailable
from service.domain.models import Session
from service.signals import MOVE_HEADS, Batch, WatchBatch, unwatched
from service.storage.append.notes import Notes
from service.storage.documents import owed_by
from service.storage.driver import Document
from service.storage.heads import Heads
from service.storage.known_heads import KnownHead, KnownHeads, now_s

REST = 3
MAX_REST_S = 0.25
RETRY_S = 1.0
CANCEL_AGAIN_S = 1.0
MAX_MOVES = 500

Item = TypeVar("Item")
# Ends the log of a head that was read at that time.
Fence = Callable[[Session, float], Awaitable[None]]

logger = logging.getLogger(__name__)


class _Debt:
    """Heads to move, and the notes that may be deleted then."""

    def __init__(self) -> None:
        self.began_s = 0.0
        self.heads: dict[UUID, KnownHead] = {}
        self.notes: list[Document] = []
        self.paid = asyncio.Event()
        self.failure: StoreUnavailable | None = None

    def add(self, heads: Mapping[UUID, KnownHead], notes: Sequence[Document]) -> None:
        if not self.heads:
            self.began_s = time.monotonic()
        for session_id, known in heads.items():
            owed = self.heads.get(session_id)
            if owed is None or owed.end < known.end:
                self.heads[session_id] = known
        self.notes += notes


class HeadFollower:
    def __init__(
        self, heads: Heads, notes: Notes, known: KnownHeads, *, watch: WatchBatch = unwatched
    ) -> None:
        self._watch = watch
        self._heads = heads
        self._notes = notes
        self._known = known
        self._next = _Debt()
        self._paying: _Debt | None = None
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def owe(self, heads: Mapping[UUID, KnownHead], notes: Sequence[Document]) -> None:
        """Take over to move these heads, and to delete the notes when they have moved."""
        self._next.add(heads, notes)
        if self._task is None and (heads or notes):
            # It works for everybody, so in the context of nobody.
            self._task = asyncio.create_task(self._follow(), context=Context())

    @property
    def owed(self) -> int:
        """How many heads are behind their logs."""
        return len(self._next.heads) + (len(self._paying.heads) if self._paying else 0)

    def owes(self, is_wanted: Callable[[Session], bool]) -> bool:
        """Say whether such a head is behind its log."""
        debts = [self._next, *([self._paying] if self._paying else [])]
        return any(is_wanted(known.head) for debt in debts for known in debt.heads.values())

    async def pay_orphaned(self, fence: Fence) -> None:
        """Do for the heads what a process left undone which has died, or was frozen."""
        while notes := await self._notes.orphaned():
            owners = {id_: owner for note in notes for id_, owner in owed_by(note).items()}
            for wanted in batched(owners.items(), MAX_MOVES):
                found_s = now_s()
                found = await self._heads.find_each(wanted)
                if found.live:
                    await self._heads.move({id_: h.session for id_, h in found.live.items()})
                for session_id in found.closing:
                    with suppress(SessionNotFound):
                        await fence(found.live[session_id].session, found_s)
                if found.fenced:
                    await self._heads.mark_deleted({id_: owners[id_] for id_ in found.fenced})
            await self._notes.delete(notes)

    async def settle(self) -> None:
        """Return when all that is owed now has been paid; there is no rest until then.

        Raises:
            StoreUnavailable: it could not be paid yet.
        """
        for debt in (self._paying, self._next):
            if debt and (debt.heads or debt.notes):
                self._hurry.set()
                await debt.paid.wait()
                if debt.failure:
                    raise debt.failure

    async def stop(self) -> None:
        """Leave what is still owed to the notes."""
        while task := self._task:
            # PyMongo's async API may lose a cancellation that coincides with the end of a call.
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_AGAIN_S)

    async def _follow(self) -> None:
        try:
            while self._next.heads or self._next.notes:
                began_s = now_s()
                debt, self._next = self._next, _Debt()
                self._paying = debt
                waited_s = time.monotonic() - debt.began_s
                try:
                    with self._watch(Batch(MOVE_HEADS, 0, [waited_s], [])):
                        await self._pay(debt)
                except StoreUnavailable as error:
                    logger.warning("heads wait to follow their logs: %s", type(error).__name__)
                    debt.failure = error
                    self._next.add(debt.heads, debt.notes)
                    rest_s = RETRY_S
                else:
                    rest_s = min(REST * (now_s() - began_s), MAX_REST_S)
                finally:
                    self._paying = None
                    debt.paid.set()
                await self._rest(rest_s)
        finally:
            self._task = None

    async def _pay(self, debt: _Debt) -> None:
        for owed in batched(debt.heads.items(), MAX_MOVES):
            heads = {id_: known.shown() for id_, known in owed}
            known_s = now_s()
            moved = await self._heads.move(heads)
            if moved.all_changed:
                self._known.confirm(heads, known_s)
            elif not moved.all_open:
                # A session is being deleted: the next appends look.
                self._known.forget(heads)
        if debt.notes:
            await self._notes.delete(debt.notes)

    async def _rest(self, rest_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(rest_s):
                await self._hurry.wait()
        self._hurry.clear()


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
