"""The stores in memory, for quick tests: held to the contract suite like those on MongoDB."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from config.settings import Settings
from service.domain.access import Reach
from service.domain.errors import (
    IdempotencyKeyReused,
    LogEndsElsewhere,
    SessionIdTaken,
    SessionKeyTaken,
    SessionNotFound,
    UserNotFound,
)
from service.domain.models import (
    JsonObject,
    ListPage,
    Message,
    Role,
    Selection,
    Session,
    SessionSettings,
    User,
    preview_of,
    same_content,
    text_of,
    utc_now,
)
from service.domain.session_key import KeySelection, SessionKey, key_text
from service.domain.window import Window, seqs_in
from service.observability.observer import Observer
from service.storage.documents import metadata_terms

# The option that runs what needs no MongoDB, and the name of these stores among the kinds.
MEMORY_OPTION = "--memory"
MEMORY = "memory"
# So that changes that follow each other have different times, as they have on MongoDB.
CHANGE_S = 0.001
CHANGEABLE = (*SessionSettings.model_fields, "summary", "summary_end")


class MemorySessionStore:
    """Keeps what the SessionStore port promises for as long as the process runs."""

    is_prepared = True
    appends_waiting = 0
    heads_behind = 0

    def __init__(self) -> None:
        self._heads: dict[UUID, Session] = {}
        self._logs: dict[UUID, list[Message]] = {}

    async def prepare(self) -> None:
        """Do nothing: there are no indexes to build."""

    async def close(self) -> None:
        """Do nothing: no write is under way when a call has returned."""

    async def ping(self) -> None:
        """Return immediately."""

    def details(self) -> list[str]:
        return []

    async def create(self, session: Session) -> None:
        await asyncio.sleep(CHANGE_S)
        own_keys = {head.key for head in self._heads.values() if head.user_id == session.user_id}
        if session.id in self._heads:
            raise SessionIdTaken(session.id)
        if session.key is not None and session.key in own_keys:
            raise SessionKeyTaken(session.key)
        self._heads[session.id] = session
        self._logs[session.id] = []

    async def get(self, reach: Reach, session_id: UUID) -> Session:
        head = self._heads.get(session_id)
        if head is None or not reach.covers(head):
            raise SessionNotFound
        return head

    async def exists(self, reach: Reach, session_id: UUID) -> bool:
        head = self._heads.get(session_id)
        return head is not None and reach.covers(head)

    async def find_by_key(self, reach: Reach, user_id: str, key: str) -> Session | None:
        found = (h for h in self._heads.values() if (h.user_id, h.key) == (user_id, key))
        return next(found, None) if reach.covers_user(user_id) else None

    async def list_keys(self, reach: Reach, of: KeySelection, *, limit: int) -> list[SessionKey]:
        keys = [
            SessionKey(key_text(head.id, head.key), head.id)
            for head in self._heads.values()
            if head.user_id == of.user_id and reach.covers_user(of.user_id)
            if of.created_before is None or head.created_at < of.created_before
        ]
        return sorted(key for key in keys if key.text.startswith(of.prefix))[:limit]

    async def list_heads(self, reach: Reach, page: ListPage, of: Selection) -> list[Session]:
        found = sorted(
            self._selected(reach, of),
            key=lambda head: (getattr(head, page.sort_by.value), head.id),
            reverse=page.descending,
        )
        return found[page.skip : page.skip + page.limit]

    async def count(self, reach: Reach, of: Selection) -> int:
        return len(self._selected(reach, of))

    async def scan(self, reach: Reach, of: Selection) -> AsyncIterator[Session]:
        for head in sorted(self._selected(reach, of), key=lambda head: head.id):
            yield head

    def _selected(self, reach: Reach, of: Selection) -> list[Session]:
        own_user_id = None if of.agent_id in reach.agent_ids else reach.user_id
        user_id = of.user_id or own_user_id
        return [
            head
            for head in self._heads.values()
            if reach.covers(head)
            and user_id in (None, head.user_id)
            and of.agent_id in (None, head.agent_id)
            and (head.is_test or not of.tests_only)
            and set(metadata_terms(of.metadata)) <= set(metadata_terms(head.metadata))
        ]

    async def read(
        self, reach: Reach, session_id: UUID, window: Window
    ) -> tuple[Session, list[Message]]:
        head = await self.get(reach, session_id)
        return head, self._with_seqs(session_id, seqs_in(window, head))

    async def read_range(self, reach: Reach, session: Session, seqs: range) -> list[Message] | None:
        found = self._with_seqs(session.id, seqs) if reach.covers(session) else None
        return None if found is None or len(found) < len(seqs) else found

    async def newest_of_each(
        self, reach: Reach, sessions: Sequence[Session], *, limit: int
    ) -> dict[UUID, list[Message]]:
        window = Window(limit=limit, newest=True)
        return {
            session.id: self._with_seqs(session.id, seqs_in(window, session))
            if reach.covers(session)
            else []
            for session in sessions
        }

    def _with_seqs(self, session_id: UUID, seqs: range) -> list[Message]:
        return [message for message in self._logs.get(session_id, []) if message.seq in seqs]

    async def update(
        self, reach: Reach, session_id: UUID, change: Callable[[Session], Session]
    ) -> Session:
        head = await self.get(reach, session_id)
        changed = change(head)
        fields: dict[str, Any] = {field: getattr(changed, field) for field in CHANGEABLE}
        fields["last_active"] = max(head.last_active, changed.last_active)
        if changed.start > head.start:
            fields |= {"start": changed.start, "preview": changed.preview}
            kept = self._with_seqs(session_id, range(changed.start, head.end + 1))
            self._logs[session_id] = kept
        self._heads[session_id] = head.model_copy(update=fields)
        return self._heads[session_id]

    async def append(
        self,
        reach: Reach,
        session_id: UUID,
        messages: Sequence[Message],
        *,
        if_end: int | None = None,
    ) -> list[Message]:
        await asyncio.sleep(CHANGE_S)
        head = await self.get(reach, session_id)
        log = self._logs[session_id]
        there = {message.client_key: message for message in log if message.client_key is not None}
        replays = [there.get(message.client_key or "") for message in messages]
        if any(r and not same_content(r, m) for r, m in zip(replays, messages, strict=True)):
            raise IdempotencyKeyReused
        if None in replays and if_end not in {None, head.end}:
            raise LogEndsElsewhere(head.end)
        end = head.end
        appended = []
        for replay, message in zip(replays, messages, strict=True):
            end += replay is None
            appended.append(replay or message.model_copy(update={"seq": end}))
        if end > head.end:
            log.extend(message for message in appended if message.seq > head.end)
            update = {
                "end": end,
                "preview": preview_of(log[-1]),
                "last_active": max(head.last_active, log[-1].created_at),
            }
            self._heads[session_id] = head.model_copy(update=update)
        return appended

    async def with_client_keys(
        self, reach: Reach, session_id: UUID, client_keys: Sequence[str]
    ) -> list[Message]:
        await self.get(reach, session_id)
        return [message for message in self._logs[session_id] if message.client_key in client_keys]

    async def search(
        self, reach: Reach, session_id: UUID, words: str, *, before_seq: int, limit: int
    ) -> list[Message]:
        await self.get(reach, session_id)
        said = [
            message
            for message in self._logs[session_id]
            if message.seq < before_seq
            and message.role in (Role.USER, Role.ASSISTANT)
            and message.tool_calls is None
        ]
        wanted = _words(words)
        found = [message for message in said if wanted & _words(text_of(message.content))]
        best_first = sorted(found, key=lambda m: -len(wanted & _words(text_of(m.content))))
        return best_first[:limit]

    async def delete(self, reach: Reach, session_id: UUID) -> None:
        await self.get(reach, session_id)
        del self._heads[session_id], self._logs[session_id]

    async def catch_up(self) -> None:
        """Do nothing: heads never lag behind."""

    async def sweep(self, *, begun_before: datetime) -> int:
        return 0


class MemoryUserStore:
    """Keeps what the UserStore port promises for as long as the process runs."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}

    async def get_or_create(self, user: User) -> User:
        return self._users.setdefault(user.id, user)

    async def get(self, reach: Reach, user_id: str) -> User:
        if user_id not in self._users or not reach.covers_user(user_id):
            raise UserNotFound
        return self._users[user_id]

    async def select(self, reach: Reach, *, limit: int, skip: int) -> list[User]:
        return self._in_reach(reach)[skip : skip + limit]

    async def scan(self, reach: Reach) -> AsyncIterator[User]:
        for user in self._in_reach(reach):
            yield user

    async def count(self, reach: Reach) -> int:
        return len(self._in_reach(reach))

    async def set_metadata(self, reach: Reach, user_id: str, metadata: JsonObject) -> User:
        await asyncio.sleep(CHANGE_S)
        user = await self.get(reach, user_id)
        update = {"metadata": metadata, "updated_at": utc_now()}
        self._users[user_id] = user.model_copy(update=update)
        return self._users[user_id]

    async def delete(self, reach: Reach, user_id: str) -> None:
        if reach.covers_user(user_id):
            self._users.pop(user_id, None)

    def _in_reach(self, reach: Reach) -> list[User]:
        return [self._users[id_] for id_ in sorted(self._users) if reach.covers_user(id_)]


@asynccontextmanager
async def memory_stores(
    _settings: Settings, _observer: Observer
) -> AsyncIterator[tuple[MemorySessionStore, MemoryUserStore]]:
    """Open the stores for one service."""
    yield MemorySessionStore(), MemoryUserStore()


def _words(text: str) -> set[str]:
    return set(text.lower().split())
