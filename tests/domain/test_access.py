"""What each caller may do, as a table."""

import pytest

from service.domain.access import (
    ADMIN_SCOPE,
    AGENT_SCOPE_PREFIX,
    EVERYBODY,
    Action,
    Caller,
    Reach,
    decide,
)
from service.domain.errors import Forbidden
from service.domain.models import Session

USER = Caller(user_id="alice")
DASHBOARD = Caller(
    user_id="alice", scopes=frozenset({f"{AGENT_SCOPE_PREFIX}x", f"{AGENT_SCOPE_PREFIX}y", "other"})
)
ADMIN = Caller(user_id="alice", scopes=frozenset({ADMIN_SCOPE}))
OWN = Reach(user_id="alice")
OWN_AND_AGENTS = Reach(user_id="alice", agent_ids=frozenset({"x", "y"}))

ALLOWED = [
    *((USER, action, None, None, OWN) for action in Action),
    *((USER, action, "alice", None, OWN) for action in Action),
    (USER, Action.LIST, None, "x", OWN),
    (USER, Action.LIST, "alice", "x", OWN),
    (DASHBOARD, Action.CREATE, None, None, OWN),
    (DASHBOARD, Action.CHANGE, None, None, OWN),
    (DASHBOARD, Action.READ, None, None, OWN_AND_AGENTS),
    (DASHBOARD, Action.LIST, None, None, OWN),
    (DASHBOARD, Action.LIST, None, "x", EVERYBODY),
    (DASHBOARD, Action.LIST, None, "z", OWN),
    (DASHBOARD, Action.CREATE, None, "x", OWN),
    (DASHBOARD, Action.CHANGE, None, "x", OWN),
    *((ADMIN, action, None, None, EVERYBODY) for action in Action),
    *((ADMIN, action, "bob", None, EVERYBODY) for action in Action),
    (ADMIN, Action.LIST, None, "x", EVERYBODY),
]
FORBIDDEN = [
    *((USER, action, "bob", None) for action in Action),
    *((DASHBOARD, action, "bob", None) for action in Action),
    (USER, Action.CREATE, "Alice", None),
    (USER, Action.CREATE, "alice ", None),
    (USER, Action.CREATE, "", None),
    (DASHBOARD, Action.LIST, "bob", "x"),
]


@pytest.mark.parametrize(("caller", "action", "user_id", "agent_id", "expected"), ALLOWED)
def test_a_caller_reaches_as_far_as_the_table_says(
    caller: Caller, action: Action, user_id: str | None, agent_id: str | None, expected: Reach
) -> None:
    assert expected == decide(caller, action, user_id=user_id, agent_id=agent_id)


@pytest.mark.parametrize(("caller", "action", "user_id", "agent_id"), FORBIDDEN)
def test_only_an_admin_acts_for_another_user(
    caller: Caller, action: Action, user_id: str, agent_id: str | None
) -> None:
    with pytest.raises(Forbidden):
        decide(caller, action, user_id=user_id, agent_id=agent_id)


@pytest.mark.parametrize(
    "scope",
    ["sessions:ADMIN", " sessions:admin", "sessions:admin ", "sessions", "admin", "sessions:*", ""],
)
def test_only_the_exact_scope_makes_an_admin(scope: str) -> None:
    caller = Caller(user_id="alice", scopes=frozenset({scope}))

    assert caller.is_admin is False
    assert decide(caller, Action.READ) == OWN


@pytest.mark.parametrize(
    ("scope", "agent_ids"),
    [
        ("sessions:agent:x", {"x"}),
        ("sessions:agent:x:y", {"x:y"}),
        ("sessions:agent:sessions:admin", {"sessions:admin"}),
        ("sessions:agent:*", {"*"}),
        ("sessions:agentx", set()),
        ("xsessions:agent:y", set()),
        ("Sessions:agent:x", set()),
    ],
)
def test_a_scope_names_its_agent_literally(scope: str, agent_ids: set[str]) -> None:
    caller = Caller(user_id="alice", scopes=frozenset({scope}))

    assert agent_ids == caller.agent_ids
    assert caller.is_admin is False


@pytest.mark.parametrize(
    ("reach", "expected"),
    [
        (OWN, {"alice/x", "alice/z"}),
        (OWN_AND_AGENTS, {"alice/x", "alice/z", "bob/x"}),
        (EVERYBODY, {"alice/x", "alice/z", "bob/x", "bob/z"}),
        (Reach(user_id=""), set()),
    ],
)
def test_a_reach_covers_a_users_own_sessions_and_those_of_its_agents(
    reach: Reach, expected: set[str]
) -> None:
    sessions = [Session(user_id=u, agent_id=a) for u in ("alice", "bob") for a in ("x", "z")]

    covered = {f"{s.user_id}/{s.agent_id}" for s in sessions if reach.covers(s)}

    assert expected == covered


def test_a_reach_is_never_widened_by_narrowing_it() -> None:
    assert EVERYBODY.narrowed_to("bob") == Reach(user_id="bob")
    assert OWN_AND_AGENTS.narrowed_to("alice") == OWN
    with pytest.raises(ValueError, match="only to a user it covers"):
        OWN_AND_AGENTS.narrowed_to("bob")
