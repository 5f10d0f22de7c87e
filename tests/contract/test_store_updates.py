"""Updates: what may change in a head, and what may not."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from service.domain.errors import SessionNotFound
from service.domain.models import ContextOverflow, Session, utc_now
from service.storage.mongo import MongoSessionStore
from tests.contract.building import (
    ALICE,
    log_of,
    open_session,
    texts_of,
)

SOON = utc_now() + timedelta(hours=1)

SETTINGS: dict[str, Any] = {
    "title": "t",
    "metadata": {"a": 1},
    "max_context_results": 9,
    "situation": "s",
    "render_templates": True,
    "token_budget": 10,
    "context_overflow": ContextOverflow.TRUNCATE,
    "tools": [{"type": "function"}],
    "summary": "m",
    "summary_end": 2,
}
DEFAULTS: dict[str, Any] = {field: Session.model_fields[field].default for field in SETTINGS}


class Setting:
    """A change that gives a head these values, and counts its calls."""

    def __init__(self, **values: Any) -> None:
        self.values = values
        self.calls = 0

    def __call__(self, session: Session) -> Session:
        self.calls += 1
        return session.model_copy(update=self.values)


@pytest.mark.parametrize(
    ("before", "after"), [(DEFAULTS, SETTINGS), (SETTINGS, DEFAULTS)], ids=["set", "unset"]
)
async def test_every_setting_can_be_changed(
    store: MongoSessionStore, before: dict[str, Any], after: dict[str, Any]
) -> None:
    session = await open_session(store, **before)

    changed = await store.update(ALICE, session.id, Setting(**after))

    assert session.model_copy(update=after) == changed
    assert changed == await store.get(ALICE, session.id)


async def test_an_update_leaves_the_rest_of_the_head_and_the_log_alone(
    store: MongoSessionStore,
) -> None:
    session = await open_session(store, "ab", key="k", title="before", metadata={"a": 1})
    before = await store.get(ALICE, session.id)

    changed = await store.update(ALICE, session.id, Setting(title="after"))

    assert before.model_copy(update={"title": "after"}) == changed
    assert texts_of(await log_of(store, session)) == "ab"


async def test_an_update_can_count_as_activity(store: MongoSessionStore) -> None:
    session = await open_session(store)
    later = session.last_active + timedelta(minutes=1)

    changed = await store.update(ALICE, session.id, Setting(last_active=later))

    assert later == changed.last_active


async def test_an_update_never_moves_last_active_back(store: MongoSessionStore) -> None:
    session = await open_session(store)
    earlier = session.last_active - timedelta(minutes=1)

    changed = await store.update(ALICE, session.id, Setting(last_active=earlier))

    assert session.last_active == changed.last_active


async def test_an_update_does_not_change_fixed_fields(store: MongoSessionStore) -> None:
    session = await open_session(store, "ab", key="k")
    before = await store.get(ALICE, session.id)
    fixed = {"user_id": "bob", "agent_id": "x", "key": "l", "end": 9, "created_at": SOON}

    changed = await store.update(ALICE, session.id, Setting(**fixed))

    assert before == changed
    assert before == await store.get(ALICE, session.id)


async def test_concurrent_updates_are_applied_one_after_the_other(store: MongoSessionStore) -> None:
    session = await open_session(store, metadata={"count": 0})

    def counted(head: Session) -> Session:
        metadata = head.metadata or {}
        return head.model_copy(update={"metadata": {"count": metadata["count"] + 1}})

    await asyncio.gather(*(store.update(ALICE, session.id, counted) for _ in range(10)))

    assert (await store.get(ALICE, session.id)).metadata == {"count": 10}


async def test_updating_an_unknown_session_reports_not_found(store: MongoSessionStore) -> None:
    change = Setting(title="t")

    with pytest.raises(SessionNotFound):
        await store.update(ALICE, uuid4(), change)

    assert change.calls == 0


async def test_a_change_that_fails_changes_nothing(store: MongoSessionStore) -> None:
    session = await open_session(store)

    def failing(_: Session) -> Session:
        raise ValueError("not like this")

    with pytest.raises(ValueError, match="not like this"):
        await store.update(ALICE, session.id, failing)

    assert session == await store.get(ALICE, session.id)
