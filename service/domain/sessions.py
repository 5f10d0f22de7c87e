"""The use cases on sessions: access first, then the rules, then the store."""

from collections.abc import Sequence
from uuid import UUID

from service.domain.access import Action, Caller, decide
from service.domain.errors import InvalidInput, SessionForeign, SessionNotFound
from service.domain.models import ListPage, Message, NewMessage, NewSession, Session
from service.domain.ports import SessionStore
from service.domain.rules import (
    MAX_ID_CHARS,
    MAX_MESSAGES_PER_APPEND,
    check_message,
    check_session,
    check_text,
)
from service.domain.window import Window


class Sessions:
    """What callers can do. All of it may raise StoreUnavailable and OutcomeUnknown."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def create(self, caller: Caller, new: NewSession) -> Session:
        """Make an empty session, the caller's unless `user_id` says for whom.

        Raises:
            Forbidden: `user_id` is somebody the caller may not act for.
            InvalidInput, TooLarge: a value breaks a rule.
            SessionKeyTaken: the owner has a session with this key.
        """
        decide(caller, Action.CREATE, user_id=new.user_id)
        check_session(new)
        session = Session(**{**new.model_dump(), "user_id": new.user_id or caller.user_id})
        await self._store.create(session)
        return session

    async def append(
        self, caller: Caller, session_id: UUID, messages: Sequence[NewMessage]
    ) -> list[Message]:
        """Add messages to the end of the log; promises what `SessionStore.append` does.

        Raises:
            InvalidInput, TooLarge: a message breaks a rule; nothing is stored.
            SessionNotFound, SessionForeign: there is no such session for this caller.
            IdempotencyKeyReused: a key was used with other content; nothing is stored.
        """
        reach = decide(caller, Action.CHANGE)
        if not 1 <= len(messages) <= MAX_MESSAGES_PER_APPEND:
            raise InvalidInput("messages", f"must be 1 to {MAX_MESSAGES_PER_APPEND} in number.")
        for message in messages:
            check_message(message)
        keys = [message.client_key for message in messages if message.client_key is not None]
        if len(set(keys)) < len(keys):
            raise InvalidInput("messages", "must not share an idempotency key.")
        entries = [Message(**dict(message)) for message in messages]
        try:
            return await self._store.append(reach, session_id, entries)
        except SessionNotFound:
            raise await self._missing(session_id) from None

    async def read(
        self, caller: Caller, session_id: UUID, window: Window
    ) -> tuple[Session, list[Message]]:
        """Return the head and the messages in the window, oldest first.

        Raises:
            SessionNotFound, SessionForeign: there is no such session for this caller.
        """
        reach = decide(caller, Action.READ)
        try:
            return await self._store.read(reach, session_id, window)
        except SessionNotFound:
            raise await self._missing(session_id) from None

    async def delete(self, caller: Caller, session_id: UUID) -> None:
        """Delete the session with its messages, for good.

        Raises:
            SessionNotFound, SessionForeign: there is no such session for this caller.
        """
        reach = decide(caller, Action.CHANGE)
        try:
            await self._store.delete(reach, session_id)
        except SessionNotFound:
            raise await self._missing(session_id) from None

    async def list_by_user(self, caller: Caller, user_id: str, page: ListPage) -> list[Session]:
        """Return a page of the user's sessions.

        Raises:
            Forbidden: the user is not the caller.
        """
        check_text("user_id", user_id, MAX_ID_CHARS)
        reach = decide(caller, Action.LIST, user_id=user_id)
        return await self._store.list_heads(reach, page, user_id=user_id)

    async def list_by_agent(self, caller: Caller, agent_id: str, page: ListPage) -> list[Session]:
        """Return a page of the agent's sessions: all of them, or those the caller owns."""
        check_text("agent_id", agent_id, MAX_ID_CHARS)
        reach = decide(caller, Action.LIST, agent_id=agent_id)
        return await self._store.list_heads(reach, page, agent_id=agent_id)

    async def _missing(self, session_id: UUID) -> SessionNotFound | SessionForeign:
        exists = await self._store.exists(session_id)
        return SessionForeign() if exists else SessionNotFound()
