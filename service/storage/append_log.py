"""Appends: messages first, under the unique number, then the head.

A crash in between leaves messages the head does not know yet. They were never
acknowledged; the next append finds them and goes on behind them. So there is never a
gap, and nothing acknowledged is ever lost (decision 0002).
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID
from weakref import WeakValueDictionary

from service.domain.access import Reach
from service.domain.errors import (
    IdempotencyKeyReused,
    OutcomeUnknown,
    SessionNotFound,
    StoreUnavailable,
)
from service.domain.models import Message, NewMessage, Session
from service.storage.entries import Entries
from service.storage.errors import changing
from service.storage.heads import Heads

MAX_ROUNDS = 100


class AppendLog:
    """Appends to logs, one append of this process at a time for each session.

    Another process may append to the same session meanwhile: whoever meets a number
    that is taken goes on behind it. `entries` must show the latest ones: whoever clashes
    with an entry has to find it, also before a majority has it.
    """

    def __init__(self, heads: Heads, entries: Entries, *, deadline_s: float) -> None:
        self._heads = heads
        self._entries = entries
        self._deadline_s = deadline_s
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def append(
        self, reach: Reach, session_id: UUID, messages: Sequence[Message]
    ) -> list[Message]:
        """Keep what `SessionStore.append` promises."""
        turn = self._turns.setdefault(session_id, asyncio.Lock())
        try:
            async with asyncio.timeout(self._deadline_s), turn:
                head = await self._heads.load(reach, session_id)
                return await _Append(self._heads, self._entries, head, messages).run()
        except TimeoutError:
            raise OutcomeUnknown from None


class _Append:
    """One append on its way: each message has `seq` 0 until it is stored."""

    def __init__(
        self, heads: Heads, entries: Entries, head: Session, messages: Sequence[Message]
    ) -> None:
        self._heads = heads
        self._entries = entries
        self._head = head
        self._messages = list(messages)
        self._next_seq = head.end + 1

    async def run(self) -> list[Message]:
        if len(self._messages) > 1:
            # A key in the middle that is taken must refuse the beginning, too.
            await self._find_replayed()
        for _ in range(MAX_ROUNDS):
            if not await self._store_pending():
                await self._find_replayed()
                await self._find_end()
            elif await self._move_head():
                return self._messages
        raise StoreUnavailable("Too many writers append to this session at once.")

    @property
    def _pending(self) -> list[int]:
        return [i for i, message in enumerate(self._messages) if not message.seq]

    async def _store_pending(self) -> bool:
        """Insert what is not stored yet at the end; False when a number or key was taken."""
        pending = self._pending
        if not pending:
            return True
        numbered = [
            self._messages[i].model_copy(update={"seq": self._next_seq + offset})
            for offset, i in enumerate(pending)
        ]
        stored = await self._entries.insert(self._head.id, numbered)
        for i, message in zip(pending[:stored], numbered, strict=False):
            self._messages[i] = message
        self._next_seq += stored
        return stored == len(pending)

    async def _find_replayed(self) -> None:
        """Take over pending messages that an earlier attempt with the same key stored."""
        keys = {self._messages[i].client_key: i for i in self._pending}
        given = [key for key in keys if key is not None]
        if not given:
            return
        for stored in await self._entries.with_keys(self._head.id, given):
            i = keys[stored.client_key]
            if not _same_content(stored, self._messages[i]):
                raise IdempotencyKeyReused
            self._messages[i] = stored

    async def _find_end(self) -> None:
        """Find the true end of the log: the head may lag behind it, or be older than a clear."""
        last_seq = await self._entries.last_seq(self._head.id)
        await self._reload_head()
        self._next_seq = max(last_seq, self._head.end) + 1

    async def _move_head(self) -> bool:
        """Make the head show the messages; False when a clear took their numbers meanwhile.

        Also for a replay: the write returns only when all that came before it is durable.
        """
        seqs = [message.seq for message in self._messages]
        last = max(self._messages, key=lambda message: message.seq)
        with changing():
            if await self._heads.move(self._head, first_seq=min(seqs), last=last):
                return True
        await self._reload_head()
        if min(seqs) >= self._head.start:
            return True
        await self._take_back(before=self._head.start)
        await self._find_end()
        return False

    async def _reload_head(self) -> None:
        """Load the head again; when it was deleted meanwhile, leave nothing behind."""
        try:
            self._head = await self._heads.load(Reach(user_id=self._head.user_id), self._head.id)
        except SessionNotFound:
            await self._take_back(before=self._next_seq)
            raise

    async def _take_back(self, *, before: int) -> None:
        taken = [i for i, message in enumerate(self._messages) if 0 < message.seq < before]
        await self._entries.remove(self._head.id, [self._messages[i].seq for i in taken])
        for i in taken:
            self._messages[i] = self._messages[i].model_copy(update={"seq": 0})


def _same_content(stored: Message, sent: Message) -> bool:
    return all(getattr(stored, field) == getattr(sent, field) for field in NewMessage.model_fields)
