"""One append on its way into the log: messages first, under the unique number, then the head.

`settle` is only for appends that could not be finished with their batch (`append_log.py`).

A crash in between leaves messages the head does not know yet. They were never
acknowledged; the next append finds them and continues after them. So there is never a
gap, and nothing acknowledged is ever lost (decision 0002).
"""

from collections.abc import Sequence
from itertools import islice

from service.domain.access import EVERYBODY
from service.domain.errors import (
    IdempotencyKeyReused,
    OutcomeUnknown,
    SessionNotFound,
    StoreUnavailable,
)
from service.domain.models import Message, Session, same_content
from service.storage.entries import Entries
from service.storage.heads import Heads, Move

MAX_ROUNDS = 100


class OneAppend:
    """The state of an append: each message has `seq` 0 until it is stored."""

    def __init__(
        self, heads: Heads, entries: Entries, head: Session, messages: Sequence[Message]
    ) -> None:
        self._heads = heads
        self._entries = entries
        self.head = head
        self.messages = list(messages)
        # An insert of it was sent, and never answered.
        self.may_be_stored = False

    def joined(self, others: Sequence["OneAppend"]) -> "OneAppend":
        """Return this and others to its session as one, which gives its state by `split_into`."""
        appends = [self, *others]
        messages = [message for append in appends for message in append.messages]
        whole = OneAppend(self._heads, self._entries, self.head, messages)
        whole.may_be_stored = any(append.may_be_stored for append in appends)
        return whole

    def split_into(self, appends: Sequence["OneAppend"]) -> None:
        """Give the appends that were joined to this one the state it has now."""
        messages = iter(self.messages)
        for append in appends:
            append.head = self.head
            append.messages = list(islice(messages, len(append.messages)))
            append.may_be_stored = self.may_be_stored

    @property
    def is_stored(self) -> bool:
        return all(message.seq for message in self.messages)

    @property
    def is_begun(self) -> bool:
        return any(message.seq for message in self.messages)

    @property
    def is_repeatable(self) -> bool:
        """Whether it can be settled after a failure: by keys, or by numbers it surely has."""
        return all(message.seq or message.client_key for message in self.messages)

    @property
    def must_look_first(self) -> bool:
        """Whether a key in the middle could be taken, which must refuse the beginning, too."""
        return len(self.messages) > 1 and any(message.client_key for message in self.messages)

    @property
    def move(self) -> Move:
        seqs = [message.seq for message in self.messages]
        return Move(self.head, min(seqs), max(self.messages, key=lambda message: message.seq))

    def numbered_from(self, next_seq: int) -> list[Message]:
        """Return what is not stored yet, with the numbers from `next_seq` on."""
        pending = [self.messages[i] for i in self._pending]
        return [m.model_copy(update={"seq": seq}) for seq, m in enumerate(pending, next_seq)]

    def accept(self, stored: Sequence[Message]) -> None:
        """Take over the first pending messages as they were stored."""
        for i, message in zip(self._pending, stored, strict=False):
            self.messages[i] = message

    async def settle(self) -> list[Message]:
        """Finish the append, even while others write; return its messages.

        When the database falls silent, it is tried once more if it cannot be made twice.

        Raises:
            SessionNotFound: the session was deleted; nothing is left behind.
            IdempotencyKeyReused: a key is there with other content.
            StoreUnavailable, OutcomeUnknown: the database stopped answering.
        """
        try:
            return await self._settle()
        except OutcomeUnknown:
            if self.may_be_stored or not self.is_repeatable:
                raise
            self.may_be_stored = True
            return await self.settle()
        except StoreUnavailable:
            if self.is_begun or self.may_be_stored:
                # What is stored is shown as soon as another append follows it.
                raise OutcomeUnknown from None
            raise

    async def _settle(self) -> list[Message]:
        for _ in range(MAX_ROUNDS):
            if not self.is_stored:
                await self._find_replayed()
            if not self.is_stored:
                numbered = self.numbered_from(await self._end() + 1)
                entries = [(self.head.id, message) for message in numbered]
                self.accept(numbered[: await self._entries.insert_all(entries)])
            if self.is_stored and await self._move_head():
                return self.messages
        raise StoreUnavailable("Too many clients are appending to this session at the same time.")

    @property
    def _pending(self) -> list[int]:
        return [i for i, message in enumerate(self.messages) if not message.seq]

    async def _find_replayed(self) -> None:
        """Take over pending messages that an earlier attempt with the same key stored."""
        keys = {self.messages[i].client_key: i for i in self._pending}
        given = [key for key in keys if key is not None]
        if not given:
            return
        for stored in await self._entries.with_keys(self.head.id, given):
            i = keys[stored.client_key]
            if not same_content(stored, self.messages[i]):
                raise IdempotencyKeyReused
            self.messages[i] = stored

    async def _end(self) -> int:
        """Return the true end of the log: the head may lag behind, or be older than a clear."""
        last_seq = await self._entries.last_seq(self.head.id)
        await self._reload_head()
        return max(last_seq, self.head.end)

    async def _move_head(self) -> bool:
        """Make the head show the messages; False when a clear took their numbers meanwhile.

        Also for a replay: the write returns only when all that came before it is durable.
        """
        if await self._heads.move_all({self.head.id: self.move}):
            return True
        await self._reload_head()
        return False

    async def _reload_head(self) -> None:
        """Load the head again, and leave nothing behind where a delete or a clear came between."""
        try:
            of_owner = EVERYBODY.narrowed_to(self.head.user_id)
            self.head = await self._heads.load(of_owner, self.head.id)
        except SessionNotFound:
            await self._take_back(before=max(message.seq for message in self.messages) + 1)
            raise
        await self._take_back(before=self.head.start)

    async def _take_back(self, *, before: int) -> None:
        taken = [i for i, message in enumerate(self.messages) if 0 < message.seq < before]
        if not taken:
            return
        await self._entries.remove(self.head.id, [self.messages[i].seq for i in taken])
        for i in taken:
            self.messages[i] = self.messages[i].model_copy(update={"seq": 0})
