"""Group commit: appends that come at the same time go out together (decision 0010).

Under load a batch costs two calls, however many appends it holds: one insert of all
messages, one write that moves all heads. Nothing weaker is promised for it: each append
is answered after its messages and its head are durable. Whatever meets another writer, a
replay, a clear or a delete is settled on its own behind the batch.
"""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from service.domain.access import Reach
from service.domain.errors import DomainError, OutcomeUnknown, SessionNotFound, StoreUnavailable
from service.domain.models import Message
from service.storage.entries import Entries
from service.storage.gather import Gatherer, Request
from service.storage.heads import Heads, Move, owner_in
from service.storage.known_heads import KnownHeads
from service.storage.one_append import OneAppend

MAX_BATCH = 256
MAX_BATCH_BYTES = 8 * 1024 * 1024
MAX_QUEUE = 5000
STRUCTURED_BYTES = 64 * 1024


class Asked(NamedTuple):
    reach: Reach
    session_id: UUID
    messages: Sequence[Message]


class _Append(NamedTuple):
    """An append of a batch: who waits for it, and how far it is."""

    request: Request[Asked, list[Message]]
    one: OneAppend

    @property
    def session_id(self) -> UUID:
        return self.request.asked.session_id


class AppendLog:
    """Appends to logs, one batch of this process at a time.

    `entries` must show the latest ones: whoever clashes with an entry has to find it,
    also before a majority has it.
    """

    def __init__(self, heads: Heads, entries: Entries, *, deadline_s: float) -> None:
        self._heads = heads
        self._entries = entries
        self._known = KnownHeads()
        self._gatherer: Gatherer[Asked, list[Message]] = Gatherer(
            self._commit,
            max_batch=MAX_BATCH,
            max_batch_bytes=MAX_BATCH_BYTES,
            max_queue=MAX_QUEUE,
            deadline_s=deadline_s,
        )

    async def append(
        self, reach: Reach, session_id: UUID, messages: Sequence[Message]
    ) -> list[Message]:
        """Keep what `SessionStore.append` promises."""
        asked = Asked(reach, session_id, messages)
        return await self._gatherer.ask(asked, sum(map(_size_bytes, messages)))

    async def _commit(self, requests: Sequence[Request[Asked, list[Message]]]) -> None:
        """Insert all messages, move all heads, answer; then settle what met somebody else."""
        appends = await self._with_heads(requests)
        try:
            await self._insert([a for a in appends if not a.one.must_look_first])
            await self._move_heads([a for a in appends if a.one.is_stored])
        except StoreUnavailable:
            for append in appends:
                if append.one.is_begun:
                    append.request.refuse(OutcomeUnknown())
            raise
        unsettled = [a for a in appends if not a.request.future.done()]
        if unsettled:
            # Somebody else writes here, too: look at the heads before the next batches.
            self._known.distrust()
            await self._settle(unsettled)

    async def _with_heads(self, requests: Sequence[Request[Asked, list[Message]]]) -> list[_Append]:
        """Return the appends that find their session in reach; refuse the others."""
        heads = self._known.among({request.asked.session_id for request in requests})
        asked = [request.asked for request in requests if request.asked.session_id not in heads]
        if asked:
            heads |= await self._heads.load_each([(a.session_id, owner_in(a.reach)) for a in asked])
        appends = []
        for request in requests:
            reach, session_id, messages = request.asked
            head = heads.get(session_id)
            if head and reach.covers(user_id=head.user_id, agent_id=head.agent_id):
                one = OneAppend(self._heads, self._entries, head, messages)
                appends.append(_Append(request, one))
            else:
                request.refuse(SessionNotFound())
        return appends

    async def _insert(self, appends: list[_Append]) -> None:
        """Insert all messages in the order of the appends.

        What met a taken number or key stays out, with the rest of its session: a number
        must not be used before the one below it.
        """
        ends = {append.session_id: append.one.head.end for append in appends}
        while appends:
            planned = _numbered(appends, ends)
            stored = await self._entries.insert_all(
                [(a.session_id, message) for a, messages in planned for message in messages]
            )
            for append, messages in planned:
                accepted = messages[:stored]
                stored -= len(accepted)
                append.one.accept(accepted)
                ends[append.session_id] += len(accepted)
            rest = [append for append in appends if not append.one.is_stored]
            appends = [append for append in rest if append.session_id != rest[0].session_id]

    async def _move_heads(self, appends: list[_Append]) -> None:
        """Move the head of each session behind its last message, and answer its appends."""
        if not appends:
            return
        moves: dict[UUID, Move] = {}
        for append in appends:
            earlier = moves.get(append.session_id, append.one.move)
            moves[append.session_id] = earlier.joined(append.one.move)
        moved = await self._heads.move_all(moves)
        for head in moved.values():
            self._known.put(head)
        for append in appends:
            if append.session_id in moved:
                append.request.answer(append.one.messages)

    async def _settle(self, appends: list[_Append]) -> None:
        """Finish these on their own, those of one session in their order."""
        by_session = sorted(appends, key=lambda append: append.session_id)
        groups = groupby(by_session, key=lambda append: append.session_id)
        await asyncio.gather(*(_settle_in_turn(list(group)) for _, group in groups))


async def _settle_in_turn(appends: list[_Append]) -> None:
    for request, one in appends:
        try:
            request.answer(await one.settle())
        except DomainError as error:
            request.refuse(error)


def _numbered(appends: list[_Append], ends: dict[UUID, int]) -> list[tuple[_Append, list[Message]]]:
    """Return the messages of each append with the next numbers of its session."""
    next_seqs = {session_id: end + 1 for session_id, end in ends.items()}
    planned = []
    for append in appends:
        messages = append.one.numbered_from(next_seqs[append.session_id])
        next_seqs[append.session_id] += len(messages)
        planned.append((append, messages))
    return planned


def _size_bytes(message: Message) -> int:
    """Estimate, without encoding, what a message adds to a batch."""
    if isinstance(message.content, str) and message.tool_calls is None:
        return len(message.content)
    return STRUCTURED_BYTES
