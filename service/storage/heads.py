"""The heads: one small document a session, and the only thing that says a session exists."""

from collections.abc import Callable
from uuid import UUID

from service.domain.access import Reach
from service.domain.errors import SessionNotFound, StoreUnavailable
from service.domain.models import Message, Session
from service.storage import documents
from service.storage.driver import Collection, Document
from service.storage.errors import changing, reading

MAX_ROUNDS = 100


class Heads:
    def __init__(self, sessions: Collection) -> None:
        self._sessions = sessions

    async def load(self, reach: Reach, session_id: UUID) -> Session:
        """Return the live head.

        Raises:
            SessionNotFound: no such session in reach.
        """
        with reading():
            head = await self._sessions.find_one(documents.head_of(session_id, reach))
        if head is None:
            raise SessionNotFound
        return documents.from_head(head)

    async def change(
        self, reach: Reach, session_id: UUID, change: Callable[[Session], Session]
    ) -> tuple[Session, bool]:
        """Change a head as `SessionStore.update` promises, again until nobody comes between.

        Returns it as it is now, and whether its log was cleared.

        Raises:
            SessionNotFound: no such session in reach.
        """
        for _ in range(MAX_ROUNDS):
            with reading():
                head = await self._sessions.find_one(documents.head_of(session_id, reach))
            if head is None:
                raise SessionNotFound
            session = documents.from_head(head)
            changed = change(session)
            cleared = changed.start > session.start
            if await self._replace(head, changed, cleared=cleared):
                return changed, cleared
        raise StoreUnavailable("Too many changes are made to this session at once.")

    async def _replace(self, head: Document, changed: Session, *, cleared: bool) -> bool:
        with changing():
            done = await self._sessions.update_one(
                documents.unchanged(head, cleared=cleared),
                documents.changed_head(changed, cleared=cleared),
            )
        return done.matched_count == 1

    async def move(self, head: Session, *, first_seq: int, last: Message) -> bool:
        """Move the end to `last`, and say whether the head was there to be moved.

        False when the session is deleted, when its log was cleared up to `first_seq`, or
        when the end is there or further already.
        """
        live_and_behind = {
            **documents.head_of(head.id, Reach(user_id=head.user_id)),
            "start": {"$lte": first_seq},
            "end": {"$lt": last.seq},
        }
        moved = await self._sessions.update_one(live_and_behind, documents.moved_head(last))
        return moved.matched_count == 1
