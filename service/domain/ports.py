"""Contracts that the domain needs others to keep."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from service.domain.access import Reach
from service.domain.chat.completion import Completion, Delta, ModelSettings
from service.domain.models import (
    JsonObject,
    ListPage,
    Message,
    NewMessage,
    Selection,
    Session,
    User,
)
from service.domain.session_key import KeySelection, SessionKey
from service.domain.window import Window


class SessionStore(Protocol):
    """Keeps sessions. Every call may raise StoreUnavailable, and a change OutcomeUnknown.

    A session outside the `reach` of a call does not exist for that call. What a call has
    acknowledged, every later call of every process sees; but lists, counts and scans of other
    processes may show the end of a log, its preview and `last_active` a little later.
    """

    async def create(self, session: Session) -> None:
        """Store the head of a new session.

        Raises:
            SessionKeyTaken: the owner has a session with this key.
            SessionIdTaken: a session with this id exists.
        """
        ...

    async def get(self, reach: Reach, session_id: UUID) -> Session:
        """Return the head.

        Raises:
            SessionNotFound: no such session in reach.
        """
        ...

    async def exists(self, reach: Reach, session_id: UUID) -> bool:
        """Say whether the session is in reach, and nothing else about it."""
        ...

    async def find_by_key(self, reach: Reach, user_id: str, key: str) -> Session | None:
        """Return the owner's session with this key; None when it is not in reach.

        An agent's scope brings no key into reach.
        """
        ...

    async def list_keys(self, reach: Reach, of: KeySelection, *, limit: int) -> list[SessionKey]:
        """Return the first `limit` selected keys in reach, ascending by code point.

        An agent's scope brings no key into reach.

        Costs O(log n + limit), and reads no message. Selecting by age looks at the
        sessions with the prefix one by one.
        """
        ...

    async def list_heads(self, reach: Reach, page: ListPage, of: Selection) -> list[Session]:
        """Return one page of the selected heads in reach. Reads no message.

        What an agent's scope brings into reach is shown when that agent is selected.

        Of one user, one agent, or both: costs O(log n + skip + limit). Selecting by
        metadata or tests looks at the user's or agent's sessions one by one.
        """
        ...

    async def count(self, reach: Reach, of: Selection) -> int:
        """Return how many heads a list without end would show. Costs O(that number)."""
        ...

    def scan(self, reach: Reach, of: Selection) -> AsyncIterator[Session]:
        """Go through the selected heads in reach in the order of their ids, each exactly once.

        A session made or deleted meanwhile may be shown or not.
        """
        ...

    async def read(
        self, reach: Reach, session_id: UUID, window: Window
    ) -> tuple[Session, list[Message]]:
        """Return the head, and the messages of its log in the window, oldest first.

        O(log n + limit), whatever the window skips. The range is unbroken and belongs to
        the head it comes with.

        Raises:
            SessionNotFound: no such session in reach.
        """
        ...

    async def read_range(self, reach: Reach, session: Session, seqs: range) -> list[Message] | None:
        """Return the messages with these numbers, oldest first; None unless all are in reach.

        The session must come from this store. Numbers that its head shows are missing only
        when the log was cleared, or the session deleted, since then.
        """
        ...

    async def newest_of_each(
        self, reach: Reach, sessions: Sequence[Session], *, limit: int
    ) -> dict[UUID, list[Message]]:
        """Return the newest `limit` messages of each session, oldest first, in one query.

        The sessions must come from this store. Those out of reach have no messages here.
        """
        ...

    async def update(
        self, reach: Reach, session_id: UUID, change: Callable[[Session], Session]
    ) -> Session:
        """Change the head, and return it as it is now.

        `change` gets the head as it is and returns it as it should be; it is called again
        when another change came between. Changes the settings, the summary, `last_active`
        and, upwards only, `start`: messages below it are gone when this returns.

        Raises:
            SessionNotFound: no such session in reach.
        """
        ...

    async def append(
        self,
        reach: Reach,
        session_id: UUID,
        messages: Sequence[Message],
        *,
        if_end: int | None = None,
    ) -> list[Message]:
        """Add the messages to the end of the log, in this order, and return them numbered.

        Returns when they are durable on a majority. Two callers that append at the same time
        get different numbers, and no number is left out. They are stored and shown all
        together, or, when the outcome is unknown, perhaps not at all.

        Messages with a `client_key` are stored at most once: where they are there already,
        nothing is stored and the stored ones are returned.

        With `if_end`, something is stored only where the log ends at that number: 0, or the
        number of its last message, even if that was cleared since.

        Raises:
            SessionNotFound: no such session in reach; nothing is stored.
            IdempotencyKeyReused: a key is there with other content; nothing is stored.
            LogEndsElsewhere: it does not end at `if_end`; nothing is stored.
        """
        ...

    async def with_client_keys(
        self, reach: Reach, session_id: UUID, client_keys: Sequence[str]
    ) -> list[Message]:
        """Return the messages stored with these keys, ascending.

        Also those of an append that was never acknowledged: to append them again, as they
        are, makes sure of them.

        Raises:
            SessionNotFound: no such session in reach.
        """
        ...

    async def search(
        self, reach: Reach, session_id: UUID, words: str, *, before_seq: int, limit: int
    ) -> list[Message]:
        """Return messages with any of the words from before that number, the best match first.

        Searches what users and assistants said, but not calls of tools. Costs O(matches in
        this session). Only for a store that keeps an index of texts.

        Raises:
            SessionNotFound: no such session in reach.
        """
        ...

    async def delete(self, reach: Reach, session_id: UUID) -> None:
        """Delete the session and its messages, for good.

        Once it is acknowledged, no one can read the session or append to it.

        Raises:
            SessionNotFound: no such session in reach.
        """
        ...

    async def sweep(self, *, begun_before: datetime) -> int:
        """Finish the deletes and clears begun before that time; return how many there were.

        Safe to run in several processes at once.
        """
        ...

    async def catch_up(self) -> None:
        """Let lists show what processes appended that died before their lists did.

        Safe to run in several processes at once.
        """
        ...


class ServedStore(SessionStore, Protocol):
    """A session store as a service opens, watches and closes it.

    Once it `is_prepared`, changes can be stored: the indexes that hold the promises exist.
    """

    is_prepared: bool

    @property
    def appends_waiting(self) -> int:
        """How many appends are in no batch yet."""
        ...

    @property
    def heads_behind(self) -> int:
        """How many sessions have appends of this process that lists of others do not show yet."""
        ...

    async def prepare(self) -> None:
        """Build what changes need, unless it exists."""
        ...

    async def close(self) -> None:
        """Finish the writes under way, also of callers that have gone; in bounded time."""
        ...

    async def ping(self) -> None:
        """Return when the store has responded."""
        ...

    def details(self) -> list[str]:
        """Return why the store cannot be used now, or promises less; without asking it."""
        ...


class UserStore(Protocol):
    """Keeps the profiles of users. May raise what SessionStore may.

    A profile outside the `reach` of a call does not exist for that call; an agent's scope
    brings none into reach.
    """

    async def get_or_create(self, user: User) -> User:
        """Return the profile with this id as it is, or store this one; racing callers agree."""
        ...

    async def get(self, reach: Reach, user_id: str) -> User:
        """Return the profile.

        Raises:
            UserNotFound: no such profile in reach.
        """
        ...

    async def select(self, reach: Reach, *, limit: int, skip: int) -> list[User]:
        """Return a page of the profiles in reach, in the order of their ids.

        Costs O(log n + skip + limit).
        """
        ...

    def scan(self, reach: Reach) -> AsyncIterator[User]:
        """Go through the profiles in reach in the order of their ids, each exactly once.

        A profile made or deleted meanwhile may be shown or not.
        """
        ...

    async def count(self, reach: Reach) -> int:
        """Return how many profiles are in reach. Costs O(that number)."""
        ...

    async def set_metadata(self, reach: Reach, user_id: str, metadata: JsonObject) -> User:
        """Replace the metadata, and return the profile as it is now.

        Raises:
            UserNotFound: no such profile in reach.
        """
        ...

    async def delete(self, reach: Reach, user_id: str) -> None:
        """Delete the profile in reach, for good; do nothing if none exists."""
        ...


class ChatModel(Protocol):
    """Answers conversations. Keeps its own deadline and bounds its own retries.

    A call that is cancelled, or a stream that is closed, ends the model's work.
    """

    async def complete(self, prompt: Sequence[NewMessage], settings: ModelSettings) -> Completion:
        """Return the answer to the prompt.

        Raises:
            ModelFailed: no response, or one that is unusable.
            ModelTimeout: no answer in time.
        """
        ...

    def stream(
        self, prompt: Sequence[NewMessage], settings: ModelSettings
    ) -> AsyncGenerator[Delta | Completion, None]:
        """Yield the answer in pieces as they come, and last of all the whole of it.

        Raises what `complete` raises, also in the middle: then there is no Completion.
        """
        ...


class Templates(Protocol):
    def render(self, template: str, variables: Mapping[str, Any]) -> str:
        """Fill a template in, within bounded time and space.

        Raises:
            InvalidInput: the template cannot be rendered, or breaks a bound.
        """
        ...
