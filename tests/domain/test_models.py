"""Sessions and messages: frozen, counted from their log, and with times that a store keeps."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from pydantic import ValidationError

from service.domain.models import (
    MAX_PREVIEW_CHARS,
    Content,
    Message,
    Preview,
    Role,
    Session,
    preview_of,
    utc_now,
)


def test_the_time_is_in_utc_and_cut_to_milliseconds() -> None:
    before = datetime.now(UTC)

    now = utc_now()

    assert UTC is now.tzinfo
    assert now.microsecond % 1000 == 0
    assert (now - before).total_seconds() > -0.001
    assert now <= datetime.now(UTC)


def test_a_new_session_is_empty_and_was_last_active_at_its_creation() -> None:
    session = Session(agent_id="agent", user_id="alice")

    assert session.message_count == 0
    assert session.created_at == session.last_active
    assert session.preview is None


@pytest.mark.parametrize(
    ("start", "end", "count"), [(1, 0, 0), (1, 1, 1), (1, 7, 7), (3, 7, 5), (7, 7, 1), (8, 7, 0)]
)
def test_a_session_counts_the_messages_from_its_start_to_its_end(
    start: int, end: int, count: int
) -> None:
    session = Session(agent_id="agent", user_id="alice", start=start, end=end)

    assert count == session.message_count


def test_ids_are_distinct_random_uuids() -> None:
    sessions = [Session(agent_id="agent", user_id="alice") for _ in range(2)]
    messages = [Message(role=Role.USER, content="x") for _ in range(2)]

    ids: list[UUID] = [*(s.id for s in sessions), *(m.id for m in messages)]

    assert len(set(ids)) == 4
    assert {4} == {id_.version for id_ in ids}


def test_models_cannot_be_changed() -> None:
    message = Message(role=Role.USER, content="x")

    with pytest.raises(ValidationError, match="frozen"):
        message.content = "y"  # type: ignore[misc]


def test_models_refuse_fields_they_do_not_know() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Message.model_validate({"role": "user", "content": "x", "sequence": 1})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("hello", "hello"),
        (None, ""),
        ([], ""),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a b"),
        ([{"type": "image_url"}, {"type": "text", "text": "b"}], "b"),
        ([{"type": "text", "text": None}, {"type": "text", "text": 1}], ""),
        ("x" * (MAX_PREVIEW_CHARS - 1), "x" * (MAX_PREVIEW_CHARS - 1)),
        ("x" * MAX_PREVIEW_CHARS, "x" * MAX_PREVIEW_CHARS),
        ("x" * (MAX_PREVIEW_CHARS + 1), "x" * MAX_PREVIEW_CHARS),
        ("🙂" * (MAX_PREVIEW_CHARS + 1), "🙂" * MAX_PREVIEW_CHARS),
    ],
)
def test_a_preview_is_the_beginning_of_a_messages_text(content: Content, text: str) -> None:
    message = Message(role=Role.TOOL, content=content)

    assert Preview(role=Role.TOOL, text=text) == preview_of(message)
