"""Group commit: appends that come at the same time go out together, in one insert.

    queue ─► batch: heads known? ──no──► look: one call
                      │                              ▲
             number the messages: end+1, end+2 …     │ look again; find what was stored
                      │                              │ with the same keys
             one ordered insert: note, entries ──────┘ met a taken number or key
                      │
             acknowledge ─► the follower moves the heads (`follower.py`)

The log is the truth and a head its summary: an append is acknowledged when its entry is
durable (decision 0028).
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from service.domain.access import Reach
from service.domain.errors import (
    IdempotencyKeyReused,
    LogEndsElsewhere,
    OutcomeUnknown,
    SessionNotFound,
    StoreUnavailable,
)
from service.domain.models import Message, Session, same_content
from service.domain.rules import MAX_METADATA_BYTES
from service.signals import APPEND, WatchBatch, unwatched
from service.storage import documents
from service.storage.append.follower import HeadFollower
from service.storage.append.notes import note_of
from service.storage.batcher import Batcher, Pending, batch_of
from service.storage.driver import Document
from service.storage.entries import Entries
from service.storage.heads import Heads, owner_in
from service.storage.known_heads import KnownHead, KnownHeads, now_s

MAX_BATCH = 256
MAX_BATCH_BYTES = 8 * 1024 * 1024
MAX_QUEUE = 5000
MAX_ROUNDS = 100
# When clients repeat all they sent, a batch of replays must not take one insert for each.
MAX_INSERTS = 8
MAX_OWED_HEADS = 5000
# Meanwhile the followers of other processes meet the closed log.
FENCE_AGAIN_S = 0.01
TOO_MANY_WRITERS = "Too many clients are appending to this session at the same time."
# With these two, no batch is larger than one wire message (48 MB), nor slow to encode.
MESSAGE_BYTES = 256
STRUCTURED_BYTES = 128 * 1024
MAX_CHARACTER_BYTES = 4


class NewAppend:
    """An append on its way into the log.

    `known` is the head it goes on from. `replayed` are messages that were stored before, by
    their keys; `entry` are the others, once they are stored but it is not certain that they
    are shown. `may_be_stored` says that an insert was sent and never answered.
    """

    def __init__(
        self,
        reach: Reach,
        session_id: UUID,
        messages: Sequence[Message],
        if_end: int | None = None,
    ) -> None:
        self.reach = reach
        self.session_id = session_id
        self.messages = messages
        self.if_end = if_end
        self.keys = [m.client_key for m in messages if m.client_key is not None]
        self.known: KnownHead
        self.replayed: dict[str | None, Message] = {}
        self.entry: list[Message] = []
        self.may_be_stored = False

    @property
    def is_repeatable(self) -> bool:
        """Whether it cannot be stored twice."""
        return len(self.keys) == len(self.messages)

    @property
    def is_like_replayed(self) -> bool:
        """Whether what is stored with its keys has the content it has."""
        given = ((self.replayed.get(message.client_key), message) for message in self.messages)
        return all(stored is None or same_content(stored, message) for stored, message in given)

    def may_follow(self, end: int) -> bool:
        """Say whether it may stand behind this number."""
        return self.if_end is None or self.if_end == end

    def numbered_from(self, next_seq: int) -> list[Message]:
        """Return what is not stored yet, with the numbers from `next_seq` on."""
        new = [m for m in self.messages if m.client_key not in self.replayed]
        return [m.model_copy(update={"seq": seq}) for seq, m in enumerate(new, next_seq)]

    def with_entry(self, entry: Sequence[Message]) -> list[Message]:
        """Return all messages as they are stored."""
        new = iter(entry)
        return [self.replayed.get(m.client_key) or next(new) for m in self.messages]


Waiting = Pending[NewAppend, list[Message]]


class AppendLog:
    """Appends to logs, one batch of this process at a time, and fences them."""

    def __init__(
        self,
        heads: Heads,
        entries: Entries,
        known: KnownHeads,
        follower: HeadFollower,
        *,
        deadline_s: float,
        watch: WatchBatch = unwatched,
    ) -> None:
        self._heads = heads
        self._entries = entries
        self._known = known
        self._follower = follower
        self._watch = watch
        self._batcher: Batcher[NewAppend, list[Message]] = Batcher(
            self._commit_watched,
            max_batch=MAX_BATCH,
            max_batch_bytes=MAX_BATCH_BYTES,
            max_queue=MAX_QUEUE,
            deadline_s=deadline_s,
        )

    async def append(
        self,
        reach: Reach,
        session_id: UUID,
        messages: Sequence[Message],
        *,
        if_end: int | None = None,
    ) -> list[Message]:
        """Keep what `SessionStore.append` promises."""
        new = NewAppend(reach, session_id, messages, if_end)
        return await self._batcher.submit(new, sum(map(_size_bytes, messages)))

    @property
    def waiting(self) -> int:
        """Return how many appends are in no batch yet."""
        return self._batcher.waiting

    async def drain(self) -> None:
        """Return when no append is waiting or under way."""
        await self._batcher.drain()

    async def fence(self, head: Session, known_s: float) -> None:
        """End the log of a head read at that time: the session is deleted, no append follows.

        The head is marked before this returns; should the process die before that, the
        note is there. Where an append takes the number first, the log is closed: then the
        processes that write to it learn of it, and give way.

        Raises:
            SessionNotFound: it was deleted meanwhile.
        """
        for attempt in range(MAX_ROUNDS):
            fence = documents.fence(head.id, head.end + 1)
            note = note_of([(head.id, head.user_id)])
            inserted = await self._entries.insert([note, fence])
            self._known.forget([head.id])
            is_fenced = inserted.stored == len((note, fence))
            if is_fenced and KnownHead(head, None, known_s).is_fresh:
                break
            if attempt == 0:
                await self._heads.close_log(head)
            else:
                await asyncio.sleep(FENCE_AGAIN_S)
            known_s = now_s()
            now = await self._heads.load_each([(head.id, head.user_id)])
            if head.id not in now and (is_fenced or attempt > 0):
                break
            if head.id not in now:
                raise SessionNotFound
            head = now[head.id]
        else:
            raise StoreUnavailable(TOO_MANY_WRITERS)
        await self._heads.mark_deleted({head.id: head.user_id})
        self._follower.owe({}, [note])

    async def _commit_watched(self, appends: Sequence[Waiting]) -> None:
        messages = sum(len(append.item.messages) for append in appends)
        with self._watch(batch_of(APPEND, appends, messages=messages)):
            if self._follower.owed > MAX_OWED_HEADS:
                await self._follower.settle()
            await self._commit(appends)

    async def _commit(self, appends: Sequence[Waiting]) -> None:
        """Store the appends and resolve them, in as many rounds as other writers make it take.

        Where an outcome stays unknown, the notes are left to `HeadFollower.pay_orphaned`.
        """
        notes: list[Document] = []
        try:
            for attempt in range(MAX_ROUNDS):
                appends = await self._with_heads(appends, look=attempt > 0)
                if attempt:
                    appends = await self._without_stored(appends)
                await self._insert(appends, notes)
                appends = [append for append in appends if not append.future.done()]
                if not appends:
                    self._follower.owe({}, notes)
                    return
            for append in appends:
                append.refuse(StoreUnavailable(TOO_MANY_WRITERS))
        except StoreUnavailable:
            for append in appends:
                if append.item.may_be_stored or append.item.entry:
                    append.refuse(OutcomeUnknown())
            raise

    async def _with_heads(self, appends: Sequence[Waiting], *, look: bool) -> list[Waiting]:
        """Return the appends whose session is in reach, each with its head; refuse the others."""
        session_ids = {append.item.session_id for append in appends}
        heads = {} if look else self._known.trusted(session_ids)
        unknown = [a.item for a in appends if a.item.session_id not in heads]
        if unknown:
            known_s = now_s()
            read = await self._heads.find_each([(n.session_id, owner_in(n.reach)) for n in unknown])
            heads |= {
                id_: KnownHead(exact.session, None, known_s)
                for id_, exact in read.live.items()
                if id_ not in read.closing
            }
        found = []
        for append in appends:
            known = heads.get(append.item.session_id)
            if known and append.item.reach.covers(known.head):
                append.item.known = known
                found.append(append)
            else:
                await self._take_back(append.item)
                append.refuse(SessionNotFound())
        return found

    async def _without_stored(self, appends: Sequence[Waiting]) -> list[Waiting]:
        """Return the appends that have something left to store; resolve or refuse the others.

        An earlier round may have stored an append too late to be certain that it is shown, and
        what is there with the same key is not stored again.
        """
        await self._find_replayed([append.item for append in appends])
        left = []
        for append in appends:
            item = append.item
            if item.entry and item.entry[0].seq < item.known.head.start:
                await self._take_back(item)
            if not item.is_like_replayed:
                append.refuse(IdempotencyKeyReused())
            elif item.entry or len(item.replayed) == len(item.messages):
                self._resolve(append, item.entry)
            elif not item.may_follow(item.known.end):
                append.refuse(LogEndsElsewhere(item.known.end))
            else:
                left.append(append)
        return left

    async def _find_replayed(self, appends: Sequence[NewAppend]) -> None:
        """Find what is stored with the keys of these appends; a cleared log gives its keys back."""
        keys: dict[UUID, list[str]] = defaultdict(list)
        starts: dict[UUID, int] = {}
        for append in appends:
            if append.keys:
                keys[append.session_id] += append.keys
                starts[append.session_id] = append.known.head.start
        found = await self._entries.with_keys(keys) if keys else {}
        for session_id, messages in found.items():
            cleared = [
                m.client_key for m in messages if m.client_key and m.seq < starts[session_id]
            ]
            if cleared:
                await self._entries.free_keys(session_id, cleared, before=starts[session_id])
        for append in appends:
            there = {
                message.client_key: message
                for message in found.get(append.session_id, ())
                if message.seq >= append.known.head.start
            }
            append.replayed = {key: there[key] for key in append.keys if key in there}

    async def _insert(self, appends: Sequence[Waiting], notes: list[Document]) -> None:
        """Insert all entries in the order of the appends, and resolve those that are shown.

        What met a taken number or key stays out, with the rest of its session: a number
        must not be used before the one below it. So does the rest of a batch of which too
        many did.
        """
        ends = {append.item.session_id: append.item.known.end for append in appends}
        for _ in range(MAX_INSERTS):
            planned = _numbered(appends, ends)
            if not planned:
                return
            note = note_of({(a.item.session_id, a.item.known.head.user_id) for a, _ in planned})
            entries = [documents.to_entry(a.item.session_id, entry) for a, entry in planned]
            try:
                inserted = await self._entries.insert([note, *entries])
            except OutcomeUnknown:
                self._keep_repeatable([append for append, _ in planned])
                return
            notes.append(note)
            stored = max(0, inserted.stored - 1)
            for append, entry in planned[:stored]:
                ends[append.item.session_id] = entry[-1].seq
                append.item.entry = entry
                if append.item.known.is_fresh:
                    self._resolve(append, entry)
            if inserted.met_number:
                # Another process writes here, too: look at the heads before the next batches.
                self._known.distrust()
            left = [append for append, _ in planned[stored:]]
            appends = [a for a in left if a.item.session_id != left[0].item.session_id]

    def _resolve(self, append: Waiting, entry: Sequence[Message]) -> None:
        item = append.item
        if entry:
            known = item.known.appended(entry[-1])
            self._known.put(known)
            self._follower.owe({item.session_id: known}, [])
        append.resolve(item.with_entry(entry))

    def _keep_repeatable(self, appends: Sequence[Waiting]) -> None:
        """Keep for another round what is certainly not made twice, once; refuse the others.

        Raises:
            OutcomeUnknown: none is kept.
        """
        self._known.forget(append.item.session_id for append in appends)
        for append in appends:
            if append.item.is_repeatable and not append.item.may_be_stored:
                append.item.may_be_stored = True
            else:
                append.refuse(OutcomeUnknown())
        if all(append.future.done() for append in appends):
            # The queue need not wait for the same.
            raise OutcomeUnknown

    async def _take_back(self, append: NewAppend) -> None:
        """Remove what was stored where no reader sees it."""
        if append.entry:
            await self._entries.remove(append.session_id, append.entry)
            append.entry = []


def _numbered(
    appends: Sequence[Waiting], ends: Mapping[UUID, int]
) -> list[tuple[Waiting, list[Message]]]:
    """Return what each append has to store, with the next numbers of its session.

    Those that may not follow are left out, for another round in which the heads are looked at.
    """
    next_seqs = {session_id: end + 1 for session_id, end in ends.items()}
    planned = []
    for append in appends:
        if not append.item.may_follow(next_seqs[append.item.session_id] - 1):
            continue
        entry = append.item.numbered_from(next_seqs[append.item.session_id])
        next_seqs[append.item.session_id] += len(entry)
        planned.append((append, entry))
    return planned


def _size_bytes(message: Message) -> int:
    """Estimate, without encoding, what a message adds to a batch: rather too much."""
    has_more = message.metadata is not None or message.extra is not None
    beside_bytes = MAX_METADATA_BYTES if has_more else MESSAGE_BYTES
    if not isinstance(message.content, str) or message.tool_calls is not None:
        return beside_bytes + STRUCTURED_BYTES
    character_bytes = 1 if message.content.isascii() else MAX_CHARACTER_BYTES
    return beside_bytes + len(message.content) * character_bytes
