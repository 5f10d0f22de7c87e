"""Sessions and messages for the store's tests, and a look at what is stored."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from bson import Binary

from service.domain.access import Reach
from service.domain.models import Message, Role, Session
from service.domain.window import Window
from service.storage import documents
from service.storage.append.append_log import AppendLog
from service.storage.append.follower import HeadFollower
from service.storage.append.notes import ORPHANED_S, RANDOM_BITS, Notes, note_of
from service.storage.driver import Database, Document
from service.storage.entries import Entries, Inserted
from service.storage.exact_heads import ExactHeads
from service.storage.heads import Heads
from service.storage.indexes import HISTORY, SESSIONS
from service.storage.known_heads import KnownHead, KnownHeads
from service.storage.mongo import MongoSessionStore
from service.storage.reads import Reads

ALICE = Reach(user_id="alice")
BOB = Reach(user_id="bob")
EVERYTHING = Window(limit=10_000)
DEADLINE_S = 20.0

Interruption = Callable[[], Awaitable[object]]


def new_session(**fields: Any) -> Session:
    return Session(**{"agent_id": "agent", "user_id": "alice"} | fields)


def message(text: str = "hello", **fields: Any) -> Message:
    return Message(**{"role": Role.USER, "content": text} | fields)


def messages(texts: str) -> list[Message]:
    """Return one message for each letter."""
    return [message(text) for text in texts]


def keyed(texts: str) -> list[Message]:
    """Return one message for each letter, with the letter as its key."""
    return [message(text, client_key=text) for text in texts]


async def store_on(database: Database, *, text_search: bool = False) -> MongoSessionStore:
    store = MongoSessionStore(database, append_deadline_s=DEADLINE_S, text_search=text_search)
    await store.prepare()
    return store


@asynccontextmanager
async def opened_store(
    database: Database, *, text_search: bool = False
) -> AsyncIterator[MongoSessionStore]:
    """Give a store that stops before its connection closes: its follower would go on."""
    store = await store_on(database, text_search=text_search)
    yield store
    await store.close()


async def open_session(store: MongoSessionStore, texts: str = "", **fields: Any) -> Session:
    """Create a session that holds one message for each letter."""
    session = new_session(**fields)
    await store.create(session)
    if texts:
        await store.append(Reach(user_id=session.user_id), session.id, messages(texts))
    return session


async def log_of(store: MongoSessionStore, session: Session) -> list[Message]:
    """Return what any reader sees of the session."""
    _, found = await store.read(Reach(user_id=session.user_id), session.id, EVERYTHING)
    return found


def texts_of(found: Sequence[Message]) -> str:
    return "".join(str(message.content) for message in found)


def seqs_of(found: Sequence[Message]) -> list[int]:
    return [message.seq for message in found]


async def stored_seqs(database: Database, session_id: UUID) -> list[int]:
    """Return the numbers of all messages in the collection, shown or not."""
    entries = await stored_entries(database, session_id)
    messages = (documents.messages_in(e) for e in entries if not documents.is_fence(e))
    return [message.seq for entry in messages for message in entry]


async def stored_entries(database: Database, session_id: UUID) -> list[Document]:
    log = {"_id.s": Binary.from_uuid(session_id)}
    return await database[HISTORY].find(log, sort=[("_id", 1)]).to_list()


async def stored_head(database: Database, session_id: UUID) -> Any:
    return await database[SESSIONS].find_one({"_id": Binary.from_uuid(session_id)})


async def mark_deleted(database: Database, session: Session) -> None:
    """Begin a delete as another process would, and stop there."""
    live = documents.heads_of({session.id: session.user_id})
    await database[SESSIONS].update_one(live, documents.marked_head())


async def leave_entries(
    database: Database, session_id: UUID, left: Sequence[Message], *, first_seq: int
) -> None:
    """Store messages, each for itself, like a writer that dies before it moves the head."""
    numbered = [m.model_copy(update={"seq": seq}) for seq, m in enumerate(left, first_seq)]
    entries = [documents.to_entry(session_id, [m]) for m in numbered]
    await database[HISTORY].insert_many(entries)


async def leave_fence(database: Database, session: Session, *, seq: int) -> None:
    """Fence a log like a process that dies before it marks the head."""
    note = note_of([(session.id, session.user_id)])
    await database[HISTORY].insert_many([note, documents.fence(session.id, seq)])


async def notes_of(database: Database) -> list[Document]:
    """Return the notes that are not paid."""
    return await database[HISTORY].find({"owed": {"$exists": True}}).to_list()


async def close_log(database: Database, session: Session) -> None:
    """Do what a process did that died when its fence had met a taken number."""
    await database[HISTORY].insert_one(note_of([(session.id, session.user_id)]))
    await database[SESSIONS].update_one(
        documents.heads_of({session.id: None}), documents.closing_head()
    )


async def age_notes(database: Database) -> None:
    """Make the notes as old as those of a process that died."""
    for note in await notes_of(database):
        older = note["_id"] | {"n": note["_id"]["n"] - (ORPHANED_S * 1000 << RANDOM_BITS)}
        await database[HISTORY].insert_one({**note, "_id": older})
        await database[HISTORY].delete_one({"_id": note["_id"]})


class InterruptedEntries(Entries):
    """Entries of a process that is interrupted, once, just before or after it inserts some."""

    def __init__(
        self,
        database: Database,
        *,
        before: Interruption | None = None,
        after: Interruption | None = None,
    ) -> None:
        super().__init__(database[HISTORY], Reads(database))
        self._before = before
        self._after = after

    async def insert(self, entries: Sequence[Document]) -> Inserted:
        before, after, self._before, self._after = self._before, self._after, None, None
        if before:
            await before()
        inserted = await super().insert(entries)
        if after:
            await after()
        return inserted


def log_interrupted_after_insert(database: Database, happening: Interruption) -> AppendLog:
    return log_on(database, InterruptedEntries(database, after=happening))


def log_interrupted_before_insert(database: Database, happening: Interruption) -> AppendLog:
    return log_on(database, InterruptedEntries(database, before=happening))


def log_that_never_moves_a_head(database: Database) -> AppendLog:
    """Return the log of a process that dies before it moves any head."""
    return log_on(database, InterruptedEntries(database), HeadFollowerThatDies)


def log_on(
    database: Database,
    entries: Entries,
    follower: Callable[[Heads, Notes, KnownHeads], HeadFollower] = HeadFollower,
) -> AppendLog:
    """Return a log like another process's."""
    reads = Reads(database)
    known = KnownHeads()
    heads = Heads(database, ExactHeads(database, Entries(database[HISTORY], reads), reads, known))
    following = follower(heads, Notes(database[HISTORY], reads), known)
    return AppendLog(heads, entries, known, following, deadline_s=DEADLINE_S)


class HeadFollowerThatDies(HeadFollower):
    def owe(self, heads: Mapping[UUID, KnownHead], notes: Sequence[Document]) -> None:
        """Forget it, like a process that dies."""


async def ids_of(sessions: AsyncIterator[Session]) -> list[UUID]:
    return [session.id async for session in sessions]
