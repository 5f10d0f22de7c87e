"""Conversations and profiles in and out, for operators, who may do anything with the database."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

from service.domain.access import EVERYBODY
from service.domain.errors import InvalidInput, SessionIdTaken, SessionKeyTaken, SessionNotFound
from service.domain.models import Message, NewMessage, Selection, Session, User
from service.domain.ports import SessionStore, UserStore
from service.domain.transfer.conversation_line import (
    Conversation,
    head_text,
    import_key,
    message_text,
)
from service.domain.window import Window

PAGE = 100
# What is appended together is read together, and must fit into one document of 16 MB.
TOGETHER = 16
MICROSECONDS = 1_000_000


class Restored(NamedTuple):
    """What restoring a conversation has stored, and what of it was there already."""

    session_is_new: bool
    messages_new: int
    messages_there: int


class Transfer:
    def __init__(self, store: SessionStore, users: UserStore) -> None:
        self._store = store
        self._users = users

    async def profiles(self, of: Selection) -> AsyncIterator[User]:
        """Go through the profiles of the selected users, in the order of their ids.

        Where an agent is selected there are none: profiles belong to users.
        """
        if of.agent_id is None:
            reach = EVERYBODY if of.user_id is None else EVERYBODY.narrowed_to(of.user_id)
            async for profile in self._users.scan(reach):
                yield profile

    async def restore_profile(self, profile: User) -> bool:
        """Store a profile; return whether it is new.

        Raises:
            InvalidInput: the user already has a profile with different metadata.
        """
        found = await self._users.get_or_create(profile)
        if found.metadata != profile.metadata:
            raise InvalidInput(
                "metadata", "a profile for this user already exists with different metadata."
            )
        return found is profile

    def sessions(self, of: Selection) -> AsyncIterator[Session]:
        """Go through the selected sessions of all users, in the order of their ids."""
        return self._store.scan(EVERYBODY, of)

    async def write_line(self, session_id: UUID, write: Callable[[str], object]) -> int | None:
        """Write a session as one line, page by page; return how many messages it has.

        None, and nothing is written, when the session was deleted meanwhile.
        """
        count = None
        async for session, messages in self._pages(session_id):
            if count is None:
                write(head_text(session))
                count = 0
            for message in messages:
                write(f"{',' if count else ''}{message_text(message)}")
                count += 1
        if count is not None:
            write("]}\n")
        return count

    async def restore(self, conversation: Conversation) -> Restored:
        """Store what is missing of a conversation, its messages after those that exist.

        Also after a crash in the middle, and when two do it at once, nothing is stored
        twice. Messages that were removed from the log since are not put back when later
        ones of the conversation are still there.

        Raises:
            InvalidInput: a session or message with the same id or key exists but differs.
            SessionKeyTaken: the owner has another session with this key.
        """
        found = await self._find(conversation)
        session, is_new = (found, False) if found else await self._create(conversation)
        messages = conversation.messages
        there = 0 if is_new else await self._count_there(session, messages)
        for start in range(there, len(messages), TOGETHER):
            await self._store.append(EVERYBODY, session.id, messages[start : start + TOGETHER])
        return Restored(is_new, len(messages) - there, there)

    async def _create(self, conversation: Conversation) -> tuple[Session, bool]:
        """Return the session, and whether it is new: another import may have made it."""
        session = conversation.session
        if conversation.has_own_id:
            session = _numbered_anew(session)
        try:
            await self._store.create(session)
        except (SessionIdTaken, SessionKeyTaken) as taken:
            if found := await self._find(conversation):
                return found, False
            if isinstance(taken, SessionKeyTaken):
                raise
            raise InvalidInput(
                "session_id", "was deleted a moment ago; import it again in some minutes."
            ) from None
        return session, True

    async def _find(self, conversation: Conversation) -> Session | None:
        wanted = conversation.session
        if conversation.has_own_id:
            found = await self._get(wanted.id)
        else:
            found = await self._store.find_by_key(EVERYBODY, wanted.user_id, wanted.key or "")
        for field in ("user_id", "agent_id"):
            if found is not None and getattr(found, field) != getattr(wanted, field):
                raise InvalidInput(
                    field, f"a session with this id already exists with a different {field}."
                )
        return found

    async def _get(self, session_id: UUID) -> Session | None:
        with suppress(SessionNotFound):
            return await self._store.get(EVERYBODY, session_id)
        return None

    async def _count_there(self, session: Session, messages: Sequence[Message]) -> int:
        """Return how many messages the log holds, up to the last one that it holds."""
        places = {message.client_key: place for place, message in enumerate(messages, 1)}
        last = 0
        async for _, stored_page in self._pages(session.id):
            for stored in stored_page:
                by_id = places.get(import_key(stored.id))
                place = by_id or (stored.client_key and places.get(stored.client_key))
                if place:
                    _require_same(stored, messages[place - 1], place)
                    last = max(last, place)
        return last

    async def _pages(self, session_id: UUID) -> AsyncIterator[tuple[Session, list[Message]]]:
        """Go through a log; it ends early when the session is deleted or emptied meanwhile."""
        skip, start = 0, None
        while True:
            window = Window(limit=PAGE, skip=skip)
            try:
                session, messages = await self._store.read(EVERYBODY, session_id, window)
            except SessionNotFound:
                return
            if start not in (None, session.start):
                # `skip` counts from a start that is gone: these are other messages.
                return
            start = session.start
            yield session, messages
            skip += len(messages)
            if len(messages) < PAGE:
                return


def _numbered_anew(session: Session) -> Session:
    """Return an empty session whose numbers no earlier session with this id can have used.

    A process that was frozen while that one was deleted may still try to append to it.
    """
    after_all_used = int(time.time() * MICROSECONDS)
    return session.model_copy(update={"start": after_all_used + 1, "end": after_all_used})


def _require_same(stored: Message, given: Message, place: int) -> None:
    fields = NewMessage.model_fields.keys() - {"client_key"}
    if any(getattr(stored, field) != getattr(given, field) for field in fields):
        raise InvalidInput(
            f"messages.{place - 1}", "already exists with different content; nothing was changed."
        )
