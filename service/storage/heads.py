"""The heads: one small document a session, and the only thing that says a session exists."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from pymongo import ReturnDocument, UpdateOne

from service.domain.access import Reach
from service.domain.errors import SessionNotFound, StoreUnavailable
from service.domain.models import Message, Session
from service.signals import READ_HEADS, WatchBatch, unwatched
from service.storage import documents
from service.storage.batcher import Batcher, Pending, batch_of
from service.storage.decoded_heads import decoded
from service.storage.driver import Database, Document, undecoded
from service.storage.errors import changing
from service.storage.indexes import SESSIONS
from service.storage.reads import Reads

MAX_ROUNDS = 100
MAX_LOADS = 500
MAX_WAITING_LOADS = 10_000
LOAD_DEADLINE_S = 20

# A session, and its owner where known: a sharded cluster looks only at that shard.
Wanted = tuple[UUID, str | None]


class Move(NamedTuple):
    """New messages of a session, which its head should show: the first number, the last message."""

    head: Session
    first_seq: int
    last: Message

    def joined(self, later: "Move") -> "Move":
        return Move(
            self.head,
            min(self.first_seq, later.first_seq),
            max(self.last, later.last, key=lambda message: message.seq),
        )


class Heads:
    def __init__(self, database: Database, reads: Reads, *, watch: WatchBatch = unwatched) -> None:
        self._reads = reads
        self._sessions = database[SESSIONS]
        self._undecoded = undecoded(database, SESSIONS)
        self._watch = watch
        self._loads: Batcher[Wanted, Session | None] = Batcher(
            self._load_batch,
            max_batch=MAX_LOADS,
            max_batch_bytes=MAX_LOADS,
            max_queue=MAX_WAITING_LOADS,
            deadline_s=LOAD_DEADLINE_S,
        )

    async def load(self, reach: Reach, session_id: UUID) -> Session:
        """Return the live head. Callers at the same time share one read.

        Raises:
            SessionNotFound: no such session in reach.
        """
        head = await self._loads.submit((session_id, owner_in(reach)))
        if head is None or not reach.covers(head):
            raise SessionNotFound
        return head

    async def load_each(self, wanted: Sequence[Wanted]) -> dict[UUID, Session]:
        """Return the live ones of these heads; the caller checks that they are in reach."""
        owners: dict[UUID, str | None] = {}
        for session_id, owner_id in wanted:
            # Two callers may name different owners, of whom one is wrong: then look everywhere.
            same = owners.setdefault(session_id, owner_id) == owner_id
            owners[session_id] = owner_id if same else None
        selected = documents.heads_of(owners)
        heads = await self._reads.run(lambda: self._undecoded.find(selected).to_list())
        return {session.id: session for session in map(decoded, heads)}

    async def _load_batch(self, requests: Sequence[Pending[Wanted, Session | None]]) -> None:
        with self._watch(batch_of(READ_HEADS, requests)):
            heads = await self.load_each([request.item for request in requests])
        for request in requests:
            request.resolve(heads.get(request.item[0]))

    async def change(
        self, reach: Reach, session_id: UUID, change: Callable[[Session], Session]
    ) -> tuple[Session, bool]:
        """Change a head as `SessionStore.update` promises, repeated until nothing intervenes.

        Returns it as it is now, and whether its log was cleared.

        Raises:
            SessionNotFound: no such session in reach.
        """
        live = documents.head_of(session_id, reach)
        for _ in range(MAX_ROUNDS):
            head = await self._reads.run(lambda: self._sessions.find_one(live))
            if head is None:
                raise SessionNotFound
            session = documents.from_head(head)
            changed = change(session)
            cleared = changed.start > session.start
            replaced = await self._replace(head, changed, cleared=cleared)
            if replaced is not None:
                return documents.from_head(replaced), cleared
        raise StoreUnavailable("Too many changes to this session at the same time.")

    async def _replace(self, head: Document, changed: Session, *, cleared: bool) -> Document | None:
        with changing():
            return await self._sessions.find_one_and_update(
                documents.unchanged(head, cleared=cleared),
                documents.changed_head(changed, cleared=cleared),
                return_document=ReturnDocument.AFTER,
            )

    async def move_all(self, moves: Mapping[UUID, Move]) -> dict[UUID, Session]:
        """Move the ends of these sessions; return the heads that show their messages now.

        A session is left out when it is deleted, or when its log was cleared up to the
        first of the messages. Returns when all that came before it is durable.
        """
        with changing():
            matched = await self._write(list(moves.values()))
        if matched == len(moves):
            return {
                id_: move.head.model_copy(update={"end": move.last.seq})
                for id_, move in moves.items()
            }
        # Another process may have moved an end there, or further, already.
        now = await self.load_each([(id_, move.head.user_id) for id_, move in moves.items()])
        return {
            id_: now[id_]
            for id_, move in moves.items()
            if id_ in now and now[id_].start <= move.first_seq and now[id_].end >= move.last.seq
        }

    async def _write(self, moves: Sequence[Move]) -> int:
        """Write the moves in one call; return how many found their head live and lagging."""
        updates = [
            (documents.behind(m.head, m.first_seq, m.last.seq), documents.moved_head(m.last))
            for m in moves
        ]
        if len(updates) == 1:
            return (await self._sessions.update_one(*updates[0])).matched_count
        operations = [UpdateOne(*update) for update in updates]
        return (await self._sessions.bulk_write(operations, ordered=False)).matched_count


def owner_in(reach: Reach) -> str | None:
    """Return whose sessions are in reach, if they are one user's only."""
    return None if reach.agent_ids else reach.user_id
