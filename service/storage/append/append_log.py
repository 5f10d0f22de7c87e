"""Group commit: appends that come at the same time go out together (decision 0010).

Under load a batch costs two calls, however many appends it holds: one insert of all
messages, one write that moves all heads. Nothing weaker is promised for it: each append
is answered after its messages and its head are durable. What meets another writer, a replay,
a clear or a delete is settled after the batch, all of a session together.
"""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from service.domain.access import Reach
from service.domain.errors import (
    DomainError,
    IdempotencyKeyReused,
    OutcomeUnknown,
    SessionNotFound,
    StoreUnavailable,
)
from service.domain.models import Message
from service.domain.rules import MAX_METADATA_BYTES
from service.signals import APPEND, WatchBatch, unwatched
from service.storage.append.known_heads import KnownHeads
from service.storage.append.one_append import OneAppend
from service.storage.batcher import Batcher, Pending, batch_of
from service.storage.entries import Entries
from service.storage.heads import Heads, Move, owner_in

MAX_BATCH = 256
MAX_BATCH_BYTES = 8 * 1024 * 1024
MAX_QUEUE = 5000
# When clients repeat all they sent, a batch of replays must not take one insert for each.
MAX_INSERTS = 8
# With these two, no batch is larger than one wire message (48 MB), nor slow to encode.
MESSAGE_BYTES = 256
STRUCTURED_BYTES = 128 * 1024
MAX_CHARACTER_BYTES = 4


class NewAppend(NamedTuple):
    reach: Reach
    session_id: UUID
    messages: Sequence[Message]


class _Append(NamedTuple):
    """An append of a batch: its waiting caller, and how far it is."""

    request: Pending[NewAppend, list[Message]]
    one: OneAppend

    @property
    def session_id(self) -> UUID:
        return self.request.item.session_id

    @property
    def has_failed(self) -> bool:
        """Whether its caller, if it still waits, was refused because the database is away."""
        future = self.request.future
        return not future.cancelled() and isinstance(future.exception(), StoreUnavailable)


class AppendLog:
    """Appends to logs, one batch of this process at a time.

    `entries` must show the latest ones: an append that clashes with an entry has to find it,
    also before a majority has it.
    """

    def __init__(
        self,
        heads: Heads,
        entries: Entries,
        *,
        deadline_s: float,
        watch: WatchBatch = unwatched,
    ) -> None:
        self._heads = heads
        self._entries = entries
        self._known = KnownHeads()
        self._watch = watch
        self._batcher: Batcher[NewAppend, list[Message]] = Batcher(
            self._commit_watched,
            max_batch=MAX_BATCH,
            max_batch_bytes=MAX_BATCH_BYTES,
            max_queue=MAX_QUEUE,
            deadline_s=deadline_s,
        )

    async def append(
        self, reach: Reach, session_id: UUID, messages: Sequence[Message]
    ) -> list[Message]:
        """Keep what `SessionStore.append` promises."""
        new = NewAppend(reach, session_id, messages)
        return await self._batcher.submit(new, sum(map(_size_bytes, messages)))

    @property
    def waiting(self) -> int:
        """Return how many appends are in no batch yet."""
        return self._batcher.waiting

    async def drain(self) -> None:
        """Return when no append is waiting or under way."""
        await self._batcher.drain()

    async def _commit_watched(self, requests: Sequence[Pending[NewAppend, list[Message]]]) -> None:
        messages = sum(len(request.item.messages) for request in requests)
        with self._watch(batch_of(APPEND, requests, messages=messages)):
            await self._commit(requests)

    async def _commit(self, requests: Sequence[Pending[NewAppend, list[Message]]]) -> None:
        """Insert all messages, move all heads, resolve; then settle what met another writer."""
        appends = await self._with_heads(requests)
        try:
            await self._insert([a for a in appends if not a.one.must_look_first])
            await self._move_heads([a for a in appends if a.one.is_stored])
        except OutcomeUnknown:
            await self._try_again(appends)
            return
        except StoreUnavailable:
            for append in appends:
                if append.one.is_begun:
                    append.request.refuse(OutcomeUnknown())
            raise
        unsettled = [a for a in appends if not a.request.future.done()]
        if any(not append.one.must_look_first for append in unsettled):
            # Another process writes here, too: look at the heads before the next batches.
            self._known.distrust()
        self._known.forget(append.session_id for append in unsettled)
        await self._settle(unsettled)

    async def _try_again(self, appends: list[_Append]) -> None:
        """Settle once more what is certainly not made twice; the outcome of the others is unknown.

        Raises:
            OutcomeUnknown: for some, it is unknown.
        """
        self._known.forget(append.session_id for append in appends)
        for append in appends:
            if not append.one.is_repeatable:
                append.request.refuse(OutcomeUnknown())
        again = [append for append in appends if append.one.is_repeatable]
        for append in again:
            append.one.may_be_stored = True
        await self._settle(again)
        if any(append.has_failed for append in appends):
            # The queue need not wait for the same.
            raise OutcomeUnknown

    async def _with_heads(
        self, requests: Sequence[Pending[NewAppend, list[Message]]]
    ) -> list[_Append]:
        """Return the appends that find their session in reach; refuse the others."""
        heads = self._known.among({request.item.session_id for request in requests})
        unknown = [r.item for r in requests if r.item.session_id not in heads]
        if unknown:
            wanted = [(new.session_id, owner_in(new.reach)) for new in unknown]
            heads |= await self._heads.load_each(wanted)
        appends = []
        for request in requests:
            reach, session_id, messages = request.item
            head = heads.get(session_id)
            if head and reach.covers(head):
                one = OneAppend(self._heads, self._entries, head, messages)
                appends.append(_Append(request, one))
            else:
                request.refuse(SessionNotFound())
        return appends

    async def _insert(self, appends: list[_Append]) -> None:
        """Insert all messages in the order of the appends.

        What met a taken number or key stays out, with the rest of its session: a number
        must not be used before the one below it. So does the rest of a batch of which too
        many did.
        """
        ends = {append.session_id: append.one.head.end for append in appends}
        for _ in range(MAX_INSERTS):
            if not appends:
                return
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
        """Move the head of each session to its last message, and resolve its appends."""
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
                append.request.resolve(append.one.messages)

    async def _settle(self, appends: list[_Append]) -> None:
        """Finish these apart from the others, those of one session as one append.

        But what must not be tried again after a failure does not keep others from it.
        """
        in_groups = sorted(appends, key=_group)
        groups = groupby(in_groups, key=_group)
        await asyncio.gather(*(_settle_as_one(list(group)) for _, group in groups))


def _group(append: _Append) -> tuple[UUID, bool]:
    return append.session_id, append.one.is_repeatable


async def _settle_as_one(appends: list[_Append]) -> None:
    ones = [append.one for append in appends]
    if len(ones) == 1 or _share_a_key(ones):
        await _settle_in_turn(appends)
        return
    whole = ones[0].joined(ones[1:])
    try:
        await whole.settle()
    except IdempotencyKeyReused:
        # One of them is refused, not all.
        whole.split_into(ones)
        await _settle_in_turn(appends)
    except DomainError as error:
        for append in appends:
            append.request.refuse(error)
    else:
        whole.split_into(ones)
        for request, one in appends:
            request.resolve(one.messages)


def _share_a_key(appends: Sequence[OneAppend]) -> bool:
    """Say whether one may store what refuses another, of which nothing must be stored then."""
    keys = [m.client_key for append in appends for m in append.messages if m.client_key]
    return len(set(keys)) < len(keys)


async def _settle_in_turn(appends: list[_Append]) -> None:
    for request, one in appends:
        try:
            request.resolve(await one.settle())
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
    """Estimate, without encoding, what a message adds to a batch: rather too much."""
    beside_bytes = MESSAGE_BYTES if message.metadata is None else MAX_METADATA_BYTES
    if not isinstance(message.content, str) or message.tool_calls is not None:
        return beside_bytes + STRUCTURED_BYTES
    character_bytes = 1 if message.content.isascii() else MAX_CHARACTER_BYTES
    return beside_bytes + len(message.content) * character_bytes
