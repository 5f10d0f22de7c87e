"""The use cases by key. A caller's keys name the caller's own sessions, whatever its scopes."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from service.domain.access import Caller, own
from service.domain.errors import DomainError, InvalidInput, SessionNotFound, StoreUnavailable
from service.domain.models import NewSession, Selection, Session, utc_now
from service.domain.ports import SessionStore
from service.domain.session_key import KeySelection, id_in
from service.domain.sessions import Sessions
from service.domain.transfer.conversation_line import head_text, message_text
from service.domain.window import Window

DEFAULT_AGENT_ID = "default"
NEW_KEY_PREFIX = "api:"
NEW_KEY_BYTES = 6
MAX_LISTED_KEYS = 10_000
MAX_DELETED_AT_ONCE = 500
EXPORT_PAGE = 100


class Keys:
    """What callers can do by key. All of it may raise StoreUnavailable and OutcomeUnknown."""

    def __init__(self, sessions: Sessions, store: SessionStore) -> None:
        self._sessions = sessions
        self._store = store

    async def list_keys(self, caller: Caller) -> tuple[list[str], int]:
        """Return the caller's first `MAX_LISTED_KEYS` keys, ascending, and how many there are."""
        of = KeySelection(user_id=caller.user_id)
        found = await self._store.list_keys(own(caller), of, limit=MAX_LISTED_KEYS)
        count = len(found)
        if count == MAX_LISTED_KEYS:
            count = await self._sessions.count(caller, Selection(user_id=caller.user_id))
        return [key.text for key in found], count

    async def get(self, caller: Caller, key: str) -> Session:
        """Return the caller's session with this key; an own key goes before `id:…`.

        Raises:
            SessionNotFound: the caller has none.
        """
        with suppress(SessionNotFound):
            return await self._sessions.get_by_key(caller, key)
        session_id = id_in(key)
        if session_id is None:
            raise SessionNotFound(key)
        return await self._store.get(own(caller), session_id)

    @asynccontextmanager
    async def opened(self, caller: Caller, key: str | None) -> AsyncIterator[Session]:
        """Give the session with this key, made if it does not exist; without a key, a new one.

        A new session whose key no caller has seen is deleted when what is done with it fails.

        Raises:
            InvalidInput: the key breaks a rule.
        """
        if key is not None:
            yield await self.open(caller, key)
            return
        session = await self.open(caller, new_key())
        try:
            yield session
        except DomainError:
            with suppress(SessionNotFound, StoreUnavailable):
                await self._store.delete(own(caller), session.id)
            raise

    async def open(self, caller: Caller, key: str) -> Session:
        """Return the session with this key, made if it does not exist; racing callers agree.

        Raises:
            InvalidInput: the key breaks a rule.
        """
        try:
            return await self.get(caller, key)
        except SessionNotFound:
            new = NewSession(agent_id=DEFAULT_AGENT_ID, key=key)
            return await self._sessions.get_or_create(caller, new)

    async def delete(self, caller: Caller, key: str) -> None:
        """Delete the session with this key and its messages, for good.

        Raises:
            SessionNotFound: the caller has none.
        """
        session = await self.get(caller, key)
        await self._store.delete(own(caller), session.id)

    async def delete_many(
        self, caller: Caller, *, prefix: str | None, older_than_s: int | None
    ) -> list[str]:
        """Delete sessions whose keys begin so, created longer ago than that; return their keys.

        Deletes the first `MAX_DELETED_AT_ONCE` of them, ascending: repeat it until it returns
        none. When it fails half way some are deleted; it is safe to repeat.

        Raises:
            InvalidInput: no filter is given.
        """
        if prefix is None and older_than_s is None:
            raise InvalidInput("prefix", "give prefix, older_than_s or both.")
        before = None if older_than_s is None else utc_now() - timedelta(seconds=older_than_s)
        of = KeySelection(user_id=caller.user_id, prefix=prefix or "", created_before=before)
        deleted = []
        listed = await self._store.list_keys(own(caller), of, limit=MAX_DELETED_AT_ONCE)
        for text, session_id in listed:
            with suppress(SessionNotFound):
                await self._store.delete(own(caller), session_id)
                deleted.append(text)
        return deleted

    async def export(self, caller: Caller, session: Session) -> AsyncIterator[str]:
        """Yield the session with its messages as one line of `export`, page by page.

        Ends with the last message the session has now.

        Raises:
            SessionNotFound: it was deleted, or emptied, meanwhile; what was yielded is not whole.
        """
        yield head_text(session)
        for skip in range(0, session.message_count, EXPORT_PAGE):
            window = Window(limit=min(EXPORT_PAGE, session.message_count - skip), skip=skip)
            now, messages = await self._store.read(own(caller), session.id, window)
            if now.start != session.start:
                raise SessionNotFound
            yield "," * bool(skip) + ",".join(map(message_text, messages))
        yield "]}"


def new_key() -> str:
    return f"{NEW_KEY_PREFIX}{secrets.token_hex(NEW_KEY_BYTES)}"
