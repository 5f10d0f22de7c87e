"""The session store on MongoDB."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from bson import Binary
from pymongo.errors import DuplicateKeyError

from service.domain.access import Reach
from service.domain.errors import (
    SessionIdTaken,
    SessionKeyTaken,
    SessionNotFound,
    StoreUnavailable,
)
from service.domain.models import ListPage, Message, Session, utc_now
from service.domain.window import Window, seqs_in
from service.storage import documents
from service.storage.append_log import AppendLog
from service.storage.driver import Database, Document, latest
from service.storage.entries import Entries
from service.storage.errors import changing, reading
from service.storage.heads import Heads
from service.storage.indexes import HISTORY, SESSIONS, ensure_indexes, list_index

READ_ROUNDS = 5
SCAN_BATCH = 200
SWEEP_BATCH = 100


class MongoSessionStore:
    """Keeps what the SessionStore port promises, on a replica set."""

    def __init__(self, database: Database, *, append_deadline_s: float) -> None:
        self._database = database
        self._sessions = database[SESSIONS]
        self._heads = Heads(self._sessions)
        self._entries = Entries(database[HISTORY])
        self._log = AppendLog(
            self._heads, Entries(latest(database, HISTORY)), deadline_s=append_deadline_s
        )
        self.is_prepared = False

    async def prepare(self) -> None:
        """Make the indexes; before that, nothing is stored, because they hold its promises."""
        with changing():
            await ensure_indexes(self._database)
        self.is_prepared = True

    async def create(self, session: Session) -> None:
        self._require_prepared()
        with changing():
            try:
                await self._sessions.insert_one(documents.to_head(session))
            except DuplicateKeyError as error:
                raise _taken(session, error) from None

    async def get(self, reach: Reach, session_id: UUID) -> Session:
        return await self._heads.load(reach, session_id)

    async def exists(self, session_id: UUID) -> bool:
        with reading():
            head = {"_id": Binary.from_uuid(session_id), **documents.LIVE}
            return await self._sessions.find_one(head, {"_id": 1}) is not None

    async def find_by_key(self, user_id: str, key: str) -> Session | None:
        with reading():
            head = await self._sessions.find_one({"user_id": user_id, "key": key})
        return None if head is None else documents.from_head(head)

    async def list_heads(
        self,
        reach: Reach,
        page: ListPage,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
    ) -> list[Session]:
        owner = _owner_filter(reach, user_id, agent_id)
        direction = -1 if page.descending else 1
        with reading():
            found = self._sessions.find(
                {**owner, **documents.LIVE},
                sort=[(page.sort_by.value, direction), ("_id", direction)],
                skip=page.skip,
                limit=page.limit,
            )
            heads = await found.hint(list_index(tuple(owner), page.sort_by)).to_list()
        return [documents.from_head(head) for head in heads]

    async def scan(
        self, reach: Reach, *, user_id: str | None = None, agent_id: str | None = None
    ) -> AsyncIterator[Session]:
        owner = _owner_filter(reach, user_id, agent_id)
        after: Document = {}
        while True:
            with reading():
                heads = await self._sessions.find(
                    {**owner, **documents.LIVE, **after}, sort=[("_id", 1)], limit=SCAN_BATCH
                ).to_list()
            for head in heads:
                yield documents.from_head(head)
            if len(heads) < SCAN_BATCH:
                return
            after = {"_id": {"$gt": heads[-1]["_id"]}}

    async def read(
        self, reach: Reach, session_id: UUID, window: Window
    ) -> tuple[Session, list[Message]]:
        for _ in range(READ_ROUNDS):
            head = await self._heads.load(reach, session_id)
            seqs = seqs_in(window, head)
            messages = await self._entries.read(session_id, seqs)
            if len(messages) == len(seqs):
                return head, messages
        # The head promised more than the log held: it was cleared in between, every time.
        raise StoreUnavailable("The session is being emptied.")

    async def append(
        self, reach: Reach, session_id: UUID, messages: Sequence[Message]
    ) -> list[Message]:
        self._require_prepared()
        return await self._log.append(reach, session_id, messages)

    async def delete(self, reach: Reach, session_id: UUID) -> None:
        mark = {"$set": {"deleting": utc_now()}, "$unset": {"key": ""}}
        with changing():
            marked = await self._sessions.update_one(documents.head_of(session_id, reach), mark)
        if not marked.matched_count:
            raise SessionNotFound
        # The session is gone with the mark; what a failure leaves here, the sweeper removes.
        with suppress(StoreUnavailable):
            await self._entries.purge_some(session_id)

    async def sweep(self, *, deleted_before: datetime) -> int:
        with reading():
            heads = await self._sessions.find(
                {"deleting": {"$lt": deleted_before}}, limit=SWEEP_BATCH
            ).to_list()
        for head in heads:
            while await self._entries.purge_some(head["_id"].as_uuid()):
                pass
            with changing():
                await self._sessions.delete_one({"_id": head["_id"], "user_id": head["user_id"]})
        return len(heads)

    def _require_prepared(self) -> None:
        if not self.is_prepared:
            raise StoreUnavailable("The service is still preparing its database.")


def _owner_filter(reach: Reach, user_id: str | None, agent_id: str | None) -> Document:
    """Return the filter for a list; its fields, in this order, name the index behind it."""
    owner = {"user_id": user_id or reach.user_id, "agent_id": agent_id}
    return {field: value for field, value in owner.items() if value is not None}


def _taken(session: Session, error: DuplicateKeyError) -> SessionKeyTaken | SessionIdTaken:
    pattern = (error.details or {}).get("keyPattern", {})
    if session.key is not None and "key" in pattern:
        return SessionKeyTaken(session.key)
    return SessionIdTaken(session.id)
