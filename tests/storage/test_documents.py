"""Model to document and back: nothing is lost, and client data has no meaning to MongoDB."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import bson
import pytest
from bson import Binary
from hypothesis import given
from hypothesis import strategies as st

from service.domain.access import EVERYBODY
from service.domain.models import Message, Preview, Role, Selection, Session
from service.domain.rules import INT64
from service.storage import documents
from tests.contract.building import message, new_session
from tests.contract.odd_json import ODD_JSON

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(INT64.start, INT64.stop - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
JSON = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXT, below, max_size=4)
)
JSON_OBJECTS = st.dictionaries(TEXT, JSON, max_size=5)
TIMES = st.datetimes(datetime(1, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  UTC is added later.
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(Role),
    content=st.none() | TEXT | st.lists(JSON_OBJECTS, max_size=3),
    name=st.none() | TEXT,
    tool_calls=st.none() | st.lists(JSON_OBJECTS, max_size=3),
    tool_call_id=st.none() | TEXT,
    metadata=st.none() | JSON_OBJECTS,
    extra=st.none() | JSON_OBJECTS,
    client_key=st.none() | TEXT,
    seq=st.integers(1, 2**53),
    id=st.uuids(version=4),
    created_at=TIMES,
)
SESSIONS = st.builds(
    Session,
    agent_id=TEXT,
    user_id=TEXT,
    key=st.none() | TEXT,
    title=st.none() | TEXT,
    metadata=st.none() | JSON_OBJECTS,
    max_context_results=st.integers(1, 1000),
    situation=st.none() | TEXT,
    render_templates=st.booleans(),
    tools=st.none() | st.lists(JSON_OBJECTS, max_size=3),
    is_test=st.booleans(),
    id=st.uuids(version=4),
    created_at=TIMES,
    last_active=TIMES,
    start=st.integers(1, 2**53),
    end=st.integers(0, 2**53),
    preview=st.none() | st.builds(Preview, role=st.sampled_from(Role), text=TEXT),
    summary=st.none() | TEXT,
    summary_end=st.integers(0, 2**53),
)


def through_bson(document: dict[str, Any]) -> dict[str, Any]:
    return bson.decode(bson.encode(document))


def as_json(model: Message | Session) -> str:
    """Return a text that differs if the JSON does: key order counts, and 1 is not 1.0."""
    return json.dumps(model.model_dump(), default=str)


def field_names(value: Any) -> set[str]:
    if not isinstance(value, dict):
        return set()
    return set(value).union(*(field_names(below) for below in value.values()))


@given(st.lists(MESSAGES, min_size=1, max_size=5))
def test_messages_come_back_exactly_alone_or_in_a_group(sent: list[Message]) -> None:
    numbered = [m.model_copy(update={"seq": seq}) for seq, m in enumerate(sent, 7)]
    entry = through_bson(documents.to_entry(uuid4(), numbered))

    found = documents.messages_in(entry)

    assert [*map(as_json, found)] == [*map(as_json, numbered)]
    assert documents.end_of(entry) == numbered[-1].seq
    keys = [message.client_key for message in sent if message.client_key is not None]
    assert entry.get("client_key") == (keys or None if len(sent) > 1 else sent[0].client_key)


@given(SESSIONS)
def test_a_session_comes_back_exactly(session: Session) -> None:
    head = through_bson(documents.to_head(session))

    found = documents.from_head(head)

    assert as_json(found) == as_json(session)


@pytest.mark.parametrize("odd", ODD_JSON.values(), ids=ODD_JSON)
def test_no_key_from_a_client_becomes_a_field_name(odd: dict[str, Any]) -> None:
    session = new_session(metadata=odd, tools=[odd])
    sent = message(content=[odd], metadata=odd, extra=odd, tool_calls=[odd], seq=1)
    plain = {"x": "y"}
    plain_session = new_session(metadata=plain, tools=[plain])
    plain_message = message(content=[plain], metadata=plain, extra=plain, tool_calls=[plain], seq=1)

    head, entry = documents.to_head(session), documents.to_entry(session.id, [sent])

    assert field_names(head) <= field_names(documents.to_head(plain_session))
    assert field_names(entry) == field_names(documents.to_entry(session.id, [plain_message]))


@pytest.mark.parametrize("odd", ODD_JSON.values(), ids=ODD_JSON)
def test_no_key_from_a_client_becomes_part_of_a_query(odd: dict[str, Any]) -> None:
    selected = documents.selected(EVERYBODY, Selection(user_id="alice", metadata=odd))

    assert field_names(selected) <= {"user_id", "metadata_terms", "$all", "deleting"}


def test_fields_that_are_not_given_take_no_space() -> None:
    head = documents.to_head(new_session())
    entry = documents.to_entry(uuid4(), [message("x", seq=1)])

    assert head.keys() == {
        *("_id", "user_id", "agent_id", "max_context_results", "created_at", "last_active"),
        *("start", "end", "revision"),
    }
    assert entry.keys() == {"_id", "id", "role", "content", "created_at"}


def test_the_position_of_a_message_is_its_identity() -> None:
    session_id = uuid4()

    entry = documents.to_entry(session_id, [message("x", seq=7)])

    assert entry["_id"] == {"s": Binary.from_uuid(session_id), "n": 7}
    assert list(entry["_id"]) == ["s", "n"]


@given(st.integers(0, 2**53), st.integers(0, 2**53))
def test_positions_in_a_log_sort_as_their_numbers_do(first: int, second: int) -> None:
    session_id = uuid4()

    places = [documents.place(session_id, seq) for seq in (first, second)]

    assert (places[0]["s"], places[0]["n"]) <= (places[1]["s"], places[1]["n"]) or first > second
