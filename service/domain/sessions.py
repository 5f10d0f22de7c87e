"""The use cases on sessions: access first, then the rules, then the store."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

from service.domain.access import EVERYBODY, Action, Caller, Reach, decide, own
from service.domain.errors import (
    InvalidInput,
    SessionForeign,
    SessionKeyTaken,
    SessionNotFound,
    TooLarge,
)
from service.domain.models import (
    ListPage,
    Message,
    NewMessage,
    NewSession,
    Selection,
    Session,
    SessionSettings,
    utc_now,
)
from service.domain.ports import SessionStore
from service.domain.rules import (
    MAX_ID_CHARS,
    MAX_MESSAGES_PER_APPEND,
    check_message,
    check_session,
    check_settings,
    check_text,
)
from service.domain.window import Window

Result = TypeVar("Result")


def emptied(session: Session) -> Session:
    """Return the head with an empty log that continues the numbers of the old one."""
    return session.model_copy(
        update={"start": session.end + 1, "preview": None, "summary": None, "summary_end": 0}
    )


class Sessions:
    """What callers can do. All of it may raise StoreUnavailable and OutcomeUnknown."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def create(self, caller: Caller, new: NewSession) -> Session:
        """Make an empty session, owned by the caller unless `user_id` names another user.

        Raises:
            Forbidden: the caller may not act for `user_id`.
            InvalidInput, TooLarge: a value breaks a rule.
            SessionKeyTaken: the owner has a session with this key.
        """
        decide(caller, Action.CREATE, user_id=new.user_id)
        check_session(new)
        session = Session(**{**new.model_dump(), "user_id": new.user_id or caller.user_id})
        await self._store.create(session)
        return session

    async def get_or_create(self, caller: Caller, new: NewSession) -> Session:
        """Return the owner's session with the key of `new`, or make it; racing callers agree.

        Raises what `create` raises, but SessionKeyTaken.
        """
        owner = new.user_id or caller.user_id
        reach = decide(caller, Action.CREATE, user_id=owner)
        check_session(new)
        found = new.key and await self._store.find_by_key(reach, owner, new.key)
        if found:
            return found
        try:
            return await self.create(caller, new)
        except SessionKeyTaken as taken:
            found = await self._store.find_by_key(reach, owner, taken.key)
            if found is None:
                raise
            return found

    async def get_or_create_test(self, caller: Caller, agent_id: str) -> Session:
        """Return the caller's newest test session with the agent while it is empty, else a new one.

        Callers that race may get one each.

        Raises:
            InvalidInput: the agent's id breaks a rule.
        """
        check_text("agent_id", agent_id, MAX_ID_CHARS)
        tests = Selection(agent_id=agent_id, tests_only=True)
        newest = await self.select(caller, ListPage(limit=1), tests)
        if newest and not newest[0].message_count:
            return newest[0]
        return await self.create(caller, NewSession(agent_id=agent_id, is_test=True))

    async def get(self, caller: Caller, session_id: UUID) -> Session:
        """Return the head.

        Raises:
            SessionNotFound, SessionForeign: there is no such session for this caller.
        """
        reach = decide(caller, Action.READ)
        return await self._found(session_id, self._store.get(reach, session_id))

    async def get_by_key(self, caller: Caller, key: str) -> Session:
        """Return the caller's own session with this key.

        Raises:
            SessionNotFound: the caller has none.
        """
        found = await self._store.find_by_key(own(caller), caller.user_id, key)
        if found is None:
            raise SessionNotFound
        return found

    async def update(
        self, caller: Caller, session_id: UUID, change: Callable[[Session], Session]
    ) -> Session:
        """Change the settings of a session; it counts as activity.

        `change` gets the head and returns it changed; see `SessionStore.update`.

        Raises:
            InvalidInput, TooLarge: the changed settings break a rule; nothing is changed.
            SessionNotFound, SessionForeign: there is no such session for this caller.
        """

        def checked(session: Session) -> Session:
            changed = change(session)
            check_settings(changed)
            return changed.model_copy(update={"last_active": utc_now()})

        reach = decide(caller, Action.CHANGE)
        return await self._found(session_id, self._store.update(reach, session_id, checked))

    async def clear(self, caller: Caller, session_id: UUID) -> Session:
        """Empty the log for good, and keep the session. Numbers are never used again.

        Raises:
            SessionNotFound, SessionForeign: there is no such session for this caller.
        """
        return await self.update(caller, session_id, emptied)

    async def append(
        self,
        caller: Caller,
        session_id: UUID,
        messages: Sequence[NewMessage],
        *,
        if_end: int | None = None,
    ) -> list[Message]:
        """Add messages to the end of the log; promises what `SessionStore.append` does.

        Raises:
            InvalidInput, TooLarge: a message breaks a rule; nothing is stored.
            SessionNotFound, SessionForeign: there is no such session for this caller.
            IdempotencyKeyReused: a key was used with other content; nothing is stored.
            LogEndsElsewhere: the log does not end at `if_end`; nothing is stored.
        """
        reach = decide(caller, Action.CHANGE)
        if not 1 <= len(messages) <= MAX_MESSAGES_PER_APPEND:
            raise InvalidInput("messages", f"must be 1 to {MAX_MESSAGES_PER_APPEND} in number.")
        for place, message in enumerate(messages):
            try:
                check_message(message)
            except (InvalidInput, TooLarge) as error:
                raise error.within(f"messages.{place}") if len(messages) > 1 else error from None
        keys = [message.client_key for message in messages if message.client_key is not None]
        if len(set(keys)) < len(keys):
            raise InvalidInput("messages", "must not share an idempotency key.")
        entries = [Message(**vars(message)) for message in messages]
        append = self._store.append(reach, session_id, entries, if_end=if_end)
        return await self._found(session_id, append)

    async def read(
        self, caller: Caller, session_id: UUID, window: Window, *, action: Action = Action.READ
    ) -> tuple[Session, list[Message]]:
        """Return the head and the messages in the window, oldest first.

        `action` is what the caller is about to do with them.

        Raises:
            SessionNotFound, SessionForeign: there is no such session for this caller.
        """
        reach = decide(caller, action)
        return await self._found(session_id, self._store.read(reach, session_id, window))

    async def read_range(
        self, caller: Caller, session: Session, seqs: range
    ) -> list[Message] | None:
        """Return these messages of a session the caller was just shown; see the store."""
        return await self._store.read_range(decide(caller, Action.READ), session, seqs)

    async def find_by_client_keys(
        self, caller: Caller, session_id: UUID, client_keys: Sequence[str]
    ) -> list[Message]:
        """Return the messages that were appended with these idempotency keys, oldest first.

        Promises what `SessionStore.with_client_keys` does.

        Raises:
            SessionNotFound, SessionForeign: there is no such session the caller may change.
        """
        reach = decide(caller, Action.CHANGE)
        return await self._found(
            session_id, self._store.with_client_keys(reach, session_id, client_keys)
        )

    async def search(
        self, caller: Caller, session_id: UUID, words: str, *, before_seq: int, limit: int
    ) -> list[Message]:
        """Return what was said before a message; promises what `SessionStore.search` does.

        Raises:
            SessionNotFound, SessionForeign: there is no such session for this caller.
        """
        reach = decide(caller, Action.READ)
        found = self._store.search(reach, session_id, words, before_seq=before_seq, limit=limit)
        return await self._found(session_id, found)

    async def delete(self, caller: Caller, session_id: UUID) -> None:
        """Delete the session with its messages, for good.

        Raises:
            SessionNotFound, SessionForeign: there is no such session for this caller.
        """
        reach = decide(caller, Action.CHANGE)
        await self._found(session_id, self._store.delete(reach, session_id))

    async def list_by_user(self, caller: Caller, user_id: str, page: ListPage) -> list[Session]:
        """Return a page of the user's sessions.

        Raises:
            Forbidden: the user is not the caller.
        """
        return await self.select(caller, page, Selection(user_id=user_id))

    async def list_by_agent(self, caller: Caller, agent_id: str, page: ListPage) -> list[Session]:
        """Return a page of the agent's sessions: all of them, or those the caller owns."""
        check_text("agent_id", agent_id, MAX_ID_CHARS)
        reach = decide(caller, Action.LIST, agent_id=agent_id)
        return await self._store.list_heads(reach, page, Selection(agent_id=agent_id))

    async def select(self, caller: Caller, page: ListPage, of: Selection) -> list[Session]:
        """Return a page of the sessions of `of.user_id`, by default the caller.

        Raises:
            Forbidden: the user is not the caller.
            InvalidInput, TooLarge: no session can have such metadata.
        """
        reach, selection = self._selection(caller, of)
        return await self._store.list_heads(reach, page, selection)

    async def count(self, caller: Caller, of: Selection) -> int:
        """Return how many sessions `select` would show on a page without end."""
        reach, selection = self._selection(caller, of)
        return await self._store.count(reach, selection)

    async def newest_of_each(
        self, caller: Caller, sessions: Sequence[Session], *, limit: int
    ) -> dict[UUID, list[Message]]:
        """Return the newest messages of sessions the caller was just shown, in one query."""
        reach = decide(caller, Action.READ)
        return await self._store.newest_of_each(reach, sessions, limit=limit)

    def _selection(self, caller: Caller, of: Selection) -> tuple[Reach, Selection]:
        user_id = caller.user_id if of.user_id is None else of.user_id
        check_text("user_id", user_id, MAX_ID_CHARS)
        check_settings(SessionSettings(metadata=of.metadata))
        reach = decide(caller, Action.LIST, user_id=user_id)
        return reach, of.model_copy(update={"user_id": user_id})

    async def _found(self, session_id: UUID, call: Awaitable[Result]) -> Result:
        """Return what the store returns; tell another user's session from a missing one."""
        try:
            return await call
        except SessionNotFound:
            if await self._store.exists(EVERYBODY, session_id):
                raise SessionForeign from None
            raise
