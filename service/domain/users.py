"""The use cases on users: profiles, in addition to the sessions of the user that a token names."""

from contextlib import suppress

from service.domain.access import Action, Caller, decide
from service.domain.errors import SessionNotFound
from service.domain.models import JsonObject, Selection, User
from service.domain.ports import SessionStore, UserStore
from service.domain.rules import check_profile


class Users:
    """What callers can do with profiles. All of it may raise StoreUnavailable and OutcomeUnknown.

    For a caller that is not an admin, another user's profile does not exist.
    """

    def __init__(self, users: UserStore, sessions: SessionStore) -> None:
        self._users = users
        self._sessions = sessions

    async def get_or_create(
        self, caller: Caller, user_id: str, metadata: JsonObject | None = None
    ) -> User:
        """Return the user's profile as it is, or make it; racing callers agree.

        Raises:
            Forbidden: the caller may not act for this user.
            InvalidInput, TooLarge: a value breaks a rule.
        """
        decide(caller, Action.PROFILE, user_id=user_id)
        check_profile(user_id, metadata)
        return await self._users.get_or_create(User(id=user_id, metadata=metadata))

    async def get(self, caller: Caller, user_id: str) -> User:
        """Return the profile.

        Raises:
            UserNotFound: there is no such profile for this caller.
        """
        return await self._users.get(decide(caller, Action.PROFILE), user_id)

    async def select(self, caller: Caller, *, limit: int, skip: int) -> list[User]:
        """Return a page of the profiles the caller may see, in the order of their ids."""
        return await self._users.select(decide(caller, Action.PROFILE), limit=limit, skip=skip)

    async def count(self, caller: Caller) -> int:
        """Return how many profiles `select` would show on a page without end."""
        return await self._users.count(decide(caller, Action.PROFILE))

    async def set_metadata(self, caller: Caller, user_id: str, metadata: JsonObject) -> User:
        """Replace the metadata.

        Raises:
            InvalidInput, TooLarge: the metadata breaks a rule; nothing is changed.
            UserNotFound: there is no such profile for this caller.
        """
        check_profile(user_id, metadata)
        reach = decide(caller, Action.PROFILE)
        return await self._users.set_metadata(reach, user_id, metadata)

    async def delete(self, caller: Caller, user_id: str) -> None:
        """Delete the user's sessions with their messages, then the profile, for good.

        When this fails half way the profile is still there, and it can be repeated. A
        session made meanwhile may stay.

        Raises:
            UserNotFound: there is no such profile for this caller; nothing is deleted.
        """
        reach = decide(caller, Action.PROFILE)
        user = await self._users.get(reach, user_id)
        of_user = reach.narrowed_to(user.id)
        async for session in self._sessions.scan(of_user, Selection(user_id=user.id)):
            with suppress(SessionNotFound):
                await self._sessions.delete(of_user, session.id)
        await self._users.delete(of_user, user.id)
