"""The session store on MongoDB."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from uuid import UUID

from pymongo.errors import BulkWriteError, OperationFailure

from service.domain.access import Reach
from service.domain.errors import (
    SessionIdTaken,
    SessionKeyTaken,
    SessionNotFound,
    StoreUnavailable,
)
from service.domain.models import ListPage, Message, Selection, Session
from service.domain.session_key import KeySelection, SessionKey
from service.domain.window import Window, seqs_in
from service.signals import CREATE, WatchBatch, unwatched
from service.storage import documents
from service.storage.append.append_log import AppendLog
from service.storage.append.follower import HeadFollower
from service.storage.append.notes import Notes
from service.storage.batcher import Batcher, Pending, batch_of
from service.storage.diagnosis import known_of, refusal
from service.storage.driver import Database, Document
from service.storage.entries import AFTER_ALL_SEQS, Entries
from service.storage.errors import changing, duplicates_in, reading
from service.storage.exact_heads import ExactHeads
from service.storage.heads import Heads
from service.storage.indexes import (
    HISTORY,
    SESSIONS,
    Index,
    ensure_indexes,
    missing_indexes,
)
from service.storage.key_lists import KeyLists
from service.storage.known_heads import KnownHead, KnownHeads, now_s
from service.storage.lists import HeadLists
from service.storage.reads import Reads
from service.storage.scanning import scanned
from service.storage.text_search import TextSearch

READ_ROUNDS = 5
MAX_CREATES = 100
MAX_WAITING_CREATES = 5000
SWEEP_BATCH = 100
# A pod that stops has ten seconds for all that comes after its last answer.
CLOSE_S = 5


class MongoSessionStore:
    """Keeps what the SessionStore port promises, on a replica set."""

    def __init__(
        self,
        database: Database,
        *,
        append_deadline_s: float,
        text_search: bool = False,
        watch: WatchBatch = unwatched,
    ) -> None:
        self._database = database
        self._text_search = text_search
        self._sessions = database[SESSIONS]
        self._watch = watch
        self._reads = reads = Reads(database)
        self._entries = Entries(database[HISTORY], reads)
        self._known = known = KnownHeads()
        exact = ExactHeads(database, self._entries, reads, known)
        self._heads = Heads(database, exact, watch=watch)
        self._follower = HeadFollower(
            self._heads, Notes(database[HISTORY], reads), known, watch=watch
        )
        self._lists = HeadLists(database, reads, deadline_s=append_deadline_s, watch=watch)
        self._texts = TextSearch(database[HISTORY], reads)
        self._keys = KeyLists(self._sessions, reads)
        self._log = AppendLog(
            self._heads,
            self._entries,
            known,
            self._follower,
            deadline_s=append_deadline_s,
            watch=watch,
        )
        self._creates: Batcher[Session, None] = Batcher(
            self._create_batch,
            max_batch=MAX_CREATES,
            max_batch_bytes=MAX_CREATES,
            max_queue=MAX_WAITING_CREATES,
            deadline_s=append_deadline_s,
        )
        self.is_prepared = False
        self._refused: str | None = None

    async def prepare(self) -> None:
        """Make the indexes; before that, nothing is stored, because they hold its promises.

        And confirm the election at hand, so that no read has to.
        """
        with changing(), self._noting_refusal():
            await ensure_indexes(self._database, text_search=self._text_search)
            await self._reads.confirm()
        self.is_prepared = True

    async def close(self) -> None:
        """Finish the writes under way, also those of callers that have gone; in bounded time."""
        with suppress(TimeoutError, StoreUnavailable):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(self._log.drain(), self._creates.drain())
                await self._follower.settle()
        await self._follower.stop()

    async def ping(self) -> None:
        """Return when the database has answered."""
        with reading(), self._noting_refusal():
            await self._database.command("ping")

    def details(self) -> list[str]:
        """Return why the database cannot be used now, or promises less; without asking it."""
        refused = [] if self._refused is None else [self._refused]
        return [*refused, *known_of(self._database)]

    @property
    def appends_waiting(self) -> int:
        return self._log.waiting

    @property
    def heads_behind(self) -> int:
        return self._follower.owed

    async def missing_indexes(self) -> list[Index]:
        with reading():
            return await missing_indexes(self._database, text_search=self._text_search)

    async def create(self, session: Session) -> None:
        self._require_prepared()
        await self._creates.submit(session)

    async def get(self, reach: Reach, session_id: UUID) -> Session:
        return await self._heads.load(reach, session_id)

    async def exists(self, reach: Reach, session_id: UUID) -> bool:
        with suppress(SessionNotFound):
            await self._heads.load(reach, session_id)
            return True
        return False

    async def find_by_key(self, reach: Reach, user_id: str, key: str) -> Session | None:
        if not reach.covers_user(user_id):
            return None
        called = {"user_id": user_id, "key": key}
        head = await self._reads.run(lambda: self._sessions.find_one(called, {"_id": 1}))
        if head is None:
            return None
        with suppress(SessionNotFound):
            return await self._heads.load(reach.narrowed_to(user_id), head["_id"].as_uuid())
        return None

    async def list_keys(self, reach: Reach, of: KeySelection, *, limit: int) -> list[SessionKey]:
        return await self._keys.first(of, limit) if reach.covers_user(of.user_id) else []

    async def list_heads(self, reach: Reach, page: ListPage, of: Selection) -> list[Session]:
        await self._follow_for(of)
        return await self._lists.find(documents.selected(reach, of), page)

    async def count(self, reach: Reach, of: Selection) -> int:
        selected = documents.selected(reach, of)
        return await self._reads.run(lambda: self._sessions.count_documents(selected))

    async def scan(self, reach: Reach, of: Selection) -> AsyncIterator[Session]:
        await self._follow_for(of)
        async for head in scanned(self._sessions, documents.selected(reach, of), self._reads):
            yield documents.from_head(head)

    async def _follow_for(self, of: Selection) -> None:
        """Let the heads that a list may show catch up with what this process has appended."""
        owners = (("user_id", of.user_id), ("agent_id", of.agent_id))
        wanted = [(field, id_) for field, id_ in owners if id_ is not None]
        if self._follower.owes(lambda head: all(getattr(head, f) == id_ for f, id_ in wanted)):
            await self._follower.settle()

    async def read(
        self, reach: Reach, session_id: UUID, window: Window
    ) -> tuple[Session, list[Message]]:
        for _ in range(READ_ROUNDS):
            head = await self._heads.load(reach, session_id)
            messages = await self.read_range(reach, head, seqs_in(window, head))
            if messages is not None:
                return head, messages
        # The head promised more than the log held: it was cleared in between, every time.
        raise StoreUnavailable("The session is being emptied.")

    async def read_range(self, reach: Reach, session: Session, seqs: range) -> list[Message] | None:
        if not reach.covers(session):
            return None
        messages = await self._entries.read(session.id, seqs)
        return messages if len(messages) == len(seqs) else None

    async def append(
        self,
        reach: Reach,
        session_id: UUID,
        messages: Sequence[Message],
        *,
        if_end: int | None = None,
    ) -> list[Message]:
        self._require_prepared()
        return await self._log.append(reach, session_id, messages, if_end=if_end)

    async def with_client_keys(
        self, reach: Reach, session_id: UUID, client_keys: Sequence[str]
    ) -> list[Message]:
        head = await self._heads.load(reach, session_id)
        found = await self._entries.with_keys({session_id: client_keys})
        kept = [message for message in found[session_id] if message.seq >= head.start]
        return sorted(kept, key=lambda message: message.seq)

    async def search(
        self, reach: Reach, session_id: UUID, words: str, *, before_seq: int, limit: int
    ) -> list[Message]:
        head = await self._heads.load(reach, session_id)
        return await self._texts.best(head, words, before_seq=before_seq, limit=limit)

    async def newest_of_each(
        self, reach: Reach, sessions: Sequence[Session], *, limit: int
    ) -> dict[UUID, list[Message]]:
        covered = [session for session in sessions if reach.covers(session)]
        uncovered: dict[UUID, list[Message]] = {session.id: [] for session in sessions}
        return uncovered | await self._entries.newest_of_each(covered, limit)

    async def update(
        self, reach: Reach, session_id: UUID, change: Callable[[Session], Session]
    ) -> Session:
        return await self._heads.change(reach, session_id, change)

    async def delete(self, reach: Reach, session_id: UUID) -> None:
        known_s = now_s()
        await self._log.fence(await self._heads.load(reach, session_id), known_s)

    async def catch_up(self) -> None:
        if self.is_prepared:
            await self._follower.pay_orphaned(self._log.fence)

    async def sweep(self, *, begun_before: datetime) -> int:
        unfinished = {"sweep_from": {"$lt": begun_before}}
        heads = await self._reads.run(
            lambda: self._sessions.find(unfinished, limit=SWEEP_BATCH).to_list()
        )
        if heads:
            await self._finish(heads)
        return len(heads)

    async def _finish(self, heads: Sequence[Document]) -> None:
        """Purge the entries of deletes and clears, then their markers."""
        deleted = [head for head in heads if "deleting" in head]
        cleared = [head for head in heads if "deleting" not in head]
        starts = {head["_id"].as_uuid(): AFTER_ALL_SEQS for head in deleted}
        for head in cleared:
            session_id = head["_id"].as_uuid()
            begins = await self._entries.beginning_of(session_id, documents.sweep_to(head))
            starts[session_id] = begins
        while await self._entries.purge_some(starts):
            pass
        with changing():
            if deleted:
                await self._sessions.delete_many(documents.unchanged_since_read(deleted))
            if cleared:
                await self._sessions.update_many(
                    documents.unchanged_since_read(cleared), documents.swept_heads()
                )

    async def _create_batch(self, requests: Sequence[Pending[Session, None]]) -> None:
        taken: dict[int, SessionKeyTaken | SessionIdTaken] = {}
        heads = [documents.to_head(request.item) for request in requests]
        known_s = now_s()
        with changing(), self._watch(batch_of(CREATE, requests)):
            try:
                await self._sessions.insert_many(heads, ordered=False)
            except BulkWriteError as error:
                taken = {i: _taken(requests[i].item, e) for i, e in duplicates_in(error).items()}
        for i, request in enumerate(requests):
            if i in taken:
                request.refuse(taken[i])
            else:
                self._known.put(KnownHead(request.item, None, known_s))
                request.resolve(None)

    @contextmanager
    def _noting_refusal(self) -> Iterator[None]:
        try:
            yield
        except StoreUnavailable as error:
            self._refused = str(error)
            raise
        except OperationFailure as error:
            self._refused = refusal(error).text
            raise
        if self.is_prepared:
            self._refused = None

    def _require_prepared(self) -> None:
        if not self.is_prepared:
            raise StoreUnavailable("The service is still preparing its database.")


def _taken(session: Session, duplicate: Document) -> SessionKeyTaken | SessionIdTaken:
    if session.key is not None and "_id" not in duplicate.get("keyPattern", ()):
        return SessionKeyTaken(session.key)
    return SessionIdTaken(session.id)
