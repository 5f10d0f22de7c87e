"""The heads: one small document a session, which sums up its log and carries its settings."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import bson

from service.domain.access import EVERYBODY, Reach
from service.domain.errors import SessionNotFound, StoreUnavailable
from service.domain.models import Session
from service.signals import READ_HEADS, WatchBatch, unwatched
from service.storage import documents
from service.storage.batcher import Batcher, Pending, batch_of
from service.storage.driver import Database, Document
from service.storage.errors import changing
from service.storage.exact_heads import ExactHead, ExactHeads, FoundHeads
from service.storage.indexes import SESSIONS

MAX_ROUNDS = 100
MAX_LOADS = 500
MAX_WAITING_LOADS = 10_000
LOAD_DEADLINE_S = 20

# A session, and its owner where known: a sharded cluster looks only at that shard.
Wanted = tuple[UUID, str | None]


class Moved(NamedTuple):
    """Whether each head was there and open, and whether each one has changed."""

    all_open: bool
    all_changed: bool


class Heads:
    def __init__(
        self, database: Database, exact: ExactHeads, *, watch: WatchBatch = unwatched
    ) -> None:
        self._sessions = database[SESSIONS]
        self._exact = exact
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
        found = await self.find_each(wanted)
        return {id_: exact.session for id_, exact in found.live.items()}

    async def find_each(self, wanted: Sequence[Wanted]) -> FoundHeads:
        """Return the live ones of these heads, and which of the sessions are deleted."""
        owners: dict[UUID, str | None] = {}
        for session_id, owner_id in wanted:
            # Two callers may name different owners, of whom one is wrong: then look everywhere.
            same = owners.setdefault(session_id, owner_id) == owner_id
            owners[session_id] = owner_id if same else None
        return await self._exact.find(owners)

    async def _load_batch(self, requests: Sequence[Pending[Wanted, Session | None]]) -> None:
        with self._watch(batch_of(READ_HEADS, requests)):
            heads = await self.load_each([request.item for request in requests])
        for request in requests:
            request.resolve(heads.get(request.item[0]))

    async def change(
        self, reach: Reach, session_id: UUID, change: Callable[[Session], Session]
    ) -> Session:
        """Change a head as `SessionStore.update` promises, repeated until nothing intervenes.

        Raises:
            SessionNotFound: no such session in reach.
        """
        for _ in range(MAX_ROUNDS):
            found = await self.find_each([(session_id, owner_in(reach))])
            exact = found.live.get(session_id)
            if exact is None or not reach.covers(exact.session):
                raise SessionNotFound
            changed = change(exact.session)
            if await self._replace(exact, changed):
                return await self.load(EVERYBODY.narrowed_to(exact.session.user_id), session_id)
        raise StoreUnavailable("Too many changes to this session at the same time.")

    async def _replace(self, exact: ExactHead, changed: Session) -> bool:
        """Change a head; False when it has changed since it was read."""
        head: Document = bson.decode(exact.stored.raw)
        cleared = changed.start > exact.session.start
        if cleared:
            changed = changed.model_copy(update={"end": exact.session.end})
        with changing():
            result = await self._sessions.update_one(
                documents.unchanged(head, cleared=cleared),
                documents.changed_head(changed, head, cleared=cleared),
            )
        return result.matched_count == 1

    async def move(self, heads: Mapping[UUID, Session]) -> Moved:
        """Make the stored heads show the ends these have; those that show more stay."""
        owners = {id_: head.user_id for id_, head in heads.items()}
        with changing():
            result = await self._sessions.update_many(
                documents.open_heads_of(owners), documents.moved_heads(list(heads.values()))
            )
        return Moved(result.matched_count == len(heads), result.modified_count == len(heads))

    async def close_log(self, head: Session) -> None:
        """Let no append begin any more where the head is looked at; reads go on.

        From here on the session will be deleted, whatever becomes of this process.
        """
        with changing():
            await self._sessions.update_one(
                documents.heads_of({head.id: head.user_id}), documents.closing_head()
            )

    async def mark_deleted(self, owners: Mapping[UUID, str]) -> None:
        """Mark the heads of sessions whose log has a fence: from then on no list shows them."""
        with changing():
            await self._sessions.update_many(documents.heads_of(owners), documents.marked_head())


def owner_in(reach: Reach) -> str | None:
    """Return whose sessions are in reach, if they are one user's only."""
    return None if reach.agent_ids else reach.user_id
