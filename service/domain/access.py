"""Who may do what: decided only here, and denied unless a rule allows it.

| token | may |
|---|---|
| any valid token | everything on the sessions whose `user_id` is its user, and its profile |
| scope `sessions:agent:<agent_id>` | also list and read that agent's sessions |
| scope `sessions:admin` | act for any user |
"""

from enum import StrEnum

from service.domain.errors import Forbidden
from service.domain.models import Frozen, Session

ADMIN_SCOPE = "sessions:admin"
AGENT_SCOPE_PREFIX = "sessions:agent:"


class Caller(Frozen):
    """The user that the token names, and the scopes it carries."""

    user_id: str
    scopes: frozenset[str] = frozenset()

    @property
    def is_admin(self) -> bool:
        return ADMIN_SCOPE in self.scopes

    @property
    def agent_ids(self) -> frozenset[str]:
        granted = (s for s in self.scopes if s.startswith(AGENT_SCOPE_PREFIX))
        return frozenset(s.removeprefix(AGENT_SCOPE_PREFIX) for s in granted)


class Reach(Frozen):
    """Which sessions a store call may touch: a user's own, and those of some agents.

    `user_id` None means those of all users. Every read and change of a stored session takes one,
    and only this module makes one; others narrow it.
    """

    user_id: str | None
    agent_ids: frozenset[str] = frozenset()

    def covers(self, session: Session) -> bool:
        """Say whether the session is in reach."""
        return self.covers_user(session.user_id) or session.agent_id in self.agent_ids

    def covers_user(self, user_id: str) -> bool:
        """Say whether all sessions of this user are in reach, with their keys and the profile."""
        return self.user_id is None or self.user_id == user_id

    def narrowed_to(self, user_id: str) -> "Reach":
        """Return the reach of one user's sessions.

        Raises:
            ValueError: they are not all in this reach.
        """
        if not self.covers_user(user_id):
            raise ValueError("A reach can be narrowed only to a user it covers.")
        return Reach(user_id=user_id)


EVERYBODY = Reach(user_id=None)


class Action(StrEnum):
    CREATE = "create sessions"
    READ = "read sessions"
    CHANGE = "change sessions"
    LIST = "list sessions"
    PROFILE = "manage profiles"


def own(caller: Caller) -> Reach:
    """Return the reach of the caller's own sessions, whatever its scopes: keys name only these."""
    return Reach(user_id=caller.user_id)


def decide(
    caller: Caller, action: Action, *, user_id: str | None = None, agent_id: str | None = None
) -> Reach:
    """Return what the caller can reach with the action.

    `user_id` is the user the action is done for, `agent_id` the agent whose sessions
    are listed, where the action names one.

    Raises:
        Forbidden: the action is done for a user the caller may not act for.
    """
    if caller.is_admin:
        return EVERYBODY
    if user_id is not None and user_id != caller.user_id:
        slash = " That user id ends in a slash." if user_id.endswith("/") else ""
        raise Forbidden(
            f"You can only {action} of your own ('{caller.user_id}'), not of '{user_id}'.{slash}"
        )
    if action is Action.READ:
        return Reach(user_id=caller.user_id, agent_ids=caller.agent_ids)
    if action is Action.LIST and agent_id in caller.agent_ids:
        return EVERYBODY
    return own(caller)
