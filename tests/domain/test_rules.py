"""The rules, at each limit: one below, at the limit, one above."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from service.domain.errors import InvalidInput, TooLarge
from service.domain.models import JsonObject, NewMessage, NewSession, Role
from service.domain.rules import (
    INT64,
    MAX_CONTENT_BYTES,
    MAX_CONTEXT_RESULTS,
    MAX_ID_CHARS,
    MAX_JSON_DEPTH,
    MAX_KEY_CHARS,
    MAX_METADATA_BYTES,
    MAX_NAME_CHARS,
    MAX_REASONING_BYTES,
    MAX_SITUATION_BYTES,
    MAX_TITLE_CHARS,
    MAX_TOKEN_BUDGET,
    MAX_TOOL_CALLS_BYTES,
    MAX_TOOLS_BYTES,
    check_message,
    check_profile,
    check_session,
    check_text,
)

TWO_BYTES = "é"
FOUR_BYTES = "🙂"


def check_session_with(**fields: Any) -> None:
    check_session(NewSession(**{"agent_id": "agent"} | fields))


def check_message_with(**fields: Any) -> None:
    check_message(NewMessage(**{"role": Role.ASSISTANT, "content": "x"} | fields))


def object_of(size_bytes: int, letter: str = "x") -> JsonObject:
    """Return an object that takes this many bytes of JSON; `letter` must divide them."""
    room = size_bytes - len(json.dumps({"a": ""}, separators=(",", ":")))
    return {"a": letter * (room // len(letter.encode())) + "x" * (room % len(letter.encode()))}


def nested(depth: int) -> JsonObject:
    """Return an object nested to this depth."""
    value: Any = []
    for _ in range(depth - 2):
        value = [value]
    return {"a": value}


SHORT_TEXTS: dict[str, tuple[Callable[[str], None], int]] = {
    "agent_id": (lambda text: check_session_with(agent_id=text), MAX_ID_CHARS),
    "user_id": (lambda text: check_session_with(user_id=text), MAX_ID_CHARS),
    "key": (lambda text: check_session_with(key=text), MAX_KEY_CHARS),
    "title": (lambda text: check_session_with(title=text), MAX_TITLE_CHARS),
    "name": (lambda text: check_message_with(name=text), MAX_NAME_CHARS),
    "tool_call_id": (lambda text: check_message_with(tool_call_id=text), MAX_NAME_CHARS),
    "client_key": (lambda text: check_message_with(client_key=text), MAX_KEY_CHARS),
    "profile": (lambda text: check_profile(text, None), MAX_ID_CHARS),
}
TEXTS = {
    "content": lambda text: check_message_with(content=text),
    "situation": lambda text: check_session_with(situation=text),
    **{field: check for field, (check, _) in SHORT_TEXTS.items()},
    "metadata of a session": lambda text: check_session_with(metadata={"a": [text]}),
    "key in metadata": lambda text: check_session_with(metadata={text: 1}),
    "metadata of a message": lambda text: check_message_with(metadata={"a": {"b": text}}),
    "metadata of a profile": lambda text: check_profile("alice", {"a": text}),
    "content part": lambda text: check_message_with(content=[{"type": "text", "text": text}]),
    "tool call": lambda text: check_message_with(tool_calls=[{"id": text}]),
    "tool": lambda text: check_session_with(tools=[{"name": text}]),
}
OBJECTS: dict[str, tuple[Callable[[JsonObject], None], int]] = {
    "metadata of a session": (lambda v: check_session_with(metadata=v), MAX_METADATA_BYTES),
    "metadata of a message": (lambda v: check_message_with(metadata=v), MAX_METADATA_BYTES),
    "metadata of a profile": (lambda v: check_profile("alice", v), MAX_METADATA_BYTES),
}
LISTS: dict[str, tuple[Callable[[list[JsonObject]], None], int]] = {
    "content": (
        lambda v: check_message_with(content=[{"type": "text", **part} for part in v]),
        MAX_CONTENT_BYTES - len('"type":"text",'),
    ),
    "tool_calls": (lambda v: check_message_with(tool_calls=v), MAX_TOOL_CALLS_BYTES),
    "tools": (lambda v: check_session_with(tools=v), MAX_TOOLS_BYTES),
}


@pytest.mark.parametrize(("check", "limit"), SHORT_TEXTS.values(), ids=SHORT_TEXTS)
def test_short_texts_are_measured_in_characters(check: Callable[[str], None], limit: int) -> None:
    check("x")
    for letter in ("x", TWO_BYTES, FOUR_BYTES):
        check(letter * (limit - 1))
        check(letter * limit)
        with pytest.raises(InvalidInput, match=rf"1 to {limit} characters long, not {limit + 1}"):
            check(letter * (limit + 1))


@pytest.mark.parametrize(("check", "limit"), SHORT_TEXTS.values(), ids=SHORT_TEXTS)
def test_short_texts_are_not_empty(check: Callable[[str], None], limit: int) -> None:
    with pytest.raises(InvalidInput, match="not 0"):
        check("")


@pytest.mark.parametrize("check", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("bad", ["\x00", "a\x00b", "\ud800", "a\udfff", "🙂\udc00"], ids=ascii)
def test_texts_that_cannot_be_stored_are_refused(check: Callable[[str], None], bad: str) -> None:
    with pytest.raises(InvalidInput, match="NUL characters or lone surrogates"):
        check(bad)


@pytest.mark.parametrize("check", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("odd", [" ", "\x01", "\x7f", "\ufeff", "\U0010ffff", "\ud7ff\ue000"])
def test_odd_texts_that_can_be_stored_are_accepted(check: Callable[[str], None], odd: str) -> None:
    check(odd)


@pytest.mark.parametrize("letter", ["x", TWO_BYTES, FOUR_BYTES])
@pytest.mark.parametrize(
    ("field", "check", "limit"),
    [
        ("content", lambda text: check_message_with(content=text), MAX_CONTENT_BYTES),
        ("situation", lambda text: check_session_with(situation=text), MAX_SITUATION_BYTES),
    ],
    ids=["content", "situation"],
)
def test_long_texts_are_measured_in_bytes(
    field: str, check: Callable[[str], None], limit: int, letter: str
) -> None:
    full = letter * (limit // len(letter.encode()))

    check(full[:-1])
    check(full)
    with pytest.raises(TooLarge) as refusal:
        check(full + "x")

    assert (limit + 1, limit) == (refusal.value.size_bytes, refusal.value.limit_bytes)
    assert str(refusal.value).startswith(field)


@pytest.mark.parametrize("letter", ["x", TWO_BYTES, FOUR_BYTES])
@pytest.mark.parametrize(("check", "limit"), OBJECTS.values(), ids=OBJECTS)
def test_objects_are_measured_in_bytes_of_json(
    check: Callable[[JsonObject], None], limit: int, letter: str
) -> None:
    check(object_of(limit - 1, letter))
    check(object_of(limit, letter))
    with pytest.raises(TooLarge):
        check(object_of(limit + 1, letter))


@pytest.mark.parametrize(("check", "limit"), LISTS.values(), ids=LISTS)
def test_lists_of_objects_are_measured_in_bytes_of_json(
    check: Callable[[list[JsonObject]], None], limit: int
) -> None:
    brackets = len("[]")

    check([object_of(limit - brackets - 1)])
    check([object_of(limit - brackets)])
    with pytest.raises(TooLarge):
        check([object_of(limit - brackets + 1)])


@pytest.mark.parametrize(
    ("field", "greatest"),
    [("max_context_results", MAX_CONTEXT_RESULTS), ("token_budget", MAX_TOKEN_BUDGET)],
)
def test_numbers_of_a_session_have_a_lower_and_an_upper_bound(field: str, greatest: int) -> None:
    for inside in (1, 2, greatest - 1, greatest):
        check_session_with(**{field: inside})

    for outside in (-1, 0, greatest + 1):
        with pytest.raises(InvalidInput, match=f"{field}: must be an integer from 1 to {greatest}"):
            check_session_with(**{field: outside})


@pytest.mark.parametrize("check", [check for check, _ in OBJECTS.values()], ids=OBJECTS)
def test_objects_may_be_nested_up_to_a_limit(check: Callable[[JsonObject], None]) -> None:
    check(nested(MAX_JSON_DEPTH - 1))
    check(nested(MAX_JSON_DEPTH))
    with pytest.raises(InvalidInput, match="nested deeper"):
        check(nested(MAX_JSON_DEPTH + 1))


def test_a_value_nested_far_too_deep_is_refused_like_any_other() -> None:
    with pytest.raises(InvalidInput, match="nested deeper"):
        check_session_with(metadata=nested(100_000))


@pytest.mark.parametrize("number", [INT64.start - 1, INT64.stop, 10**100])
def test_integers_beyond_64_bits_are_refused(number: int) -> None:
    with pytest.raises(InvalidInput, match="64 bits"):
        check_message_with(metadata={"a": [number]})


@pytest.mark.parametrize("number", [INT64.start, INT64.start + 1, INT64.stop - 1, 0, True, False])
def test_integers_of_64_bits_are_accepted(number: int) -> None:
    check_message_with(metadata={"a": [number]})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_cannot_express_are_refused(number: float) -> None:
    with pytest.raises(InvalidInput, match="finite"):
        check_message_with(metadata={"a": number})


@pytest.mark.parametrize("number", [1.7976931348623157e308, 5e-324, -0.0])
def test_the_most_extreme_finite_numbers_are_accepted(number: float) -> None:
    check_message_with(metadata={"a": number})


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("extra", [None, {"refusal": None}])
def test_a_message_that_is_nothing_but_a_role_is_refused(
    role: Role, extra: JsonObject | None
) -> None:
    with pytest.raises(InvalidInput, match="content: is missing, and so is everything else"):
        check_message_with(role=role, content=None, extra=extra)


SOMETHING: list[JsonObject] = [
    {"content": ""},
    {"content": []},
    {"content": [{"text": "parts need no type"}]},
    {"name": "ann"},
    {"metadata": {}},
    {"extra": {"refusal": "No."}},
    {"tool_call_id": "call_1"},
]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("fields", SOMETHING, ids=str)
def test_one_field_besides_the_role_is_enough(role: Role, fields: JsonObject) -> None:
    check_message_with(**{"role": role, "content": None} | fields)


def test_metadata_and_unknown_fields_share_one_bound() -> None:
    half = {"a": "x" * (MAX_METADATA_BYTES // 2)}

    check_message_with(extra=half)
    with pytest.raises(TooLarge, match="metadata and extra fields together"):
        check_message_with(extra=half, metadata=half)
    with pytest.raises(TooLarge, match="extra fields"):
        check_message_with(extra={"a": "x" * MAX_METADATA_BYTES})


def test_only_an_assistant_has_reasoning_and_within_bounds() -> None:
    check_message_with(role=Role.ASSISTANT, reasoning_content="x" * MAX_REASONING_BYTES)
    with pytest.raises(InvalidInput, match="only an assistant"):
        check_message_with(role=Role.USER, reasoning_content="x")
    with pytest.raises(TooLarge):
        check_message_with(role=Role.ASSISTANT, reasoning_content="x" * (MAX_REASONING_BYTES + 1))
    with pytest.raises(InvalidInput, match="NUL"):
        check_message_with(role=Role.ASSISTANT, reasoning_content="\x00")


@pytest.mark.parametrize("content", [None, "", [], "x"])
def test_an_assistant_may_call_tools_with_or_without_content(
    content: str | list[JsonObject] | None,
) -> None:
    check_message_with(content=content, tool_calls=[{}])


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ASSISTANT}))
def test_only_an_assistant_calls_tools(role: Role) -> None:
    with pytest.raises(InvalidInput, match="only messages with the role 'assistant'"):
        check_message_with(role=role, tool_calls=[{"id": "1"}])


@pytest.mark.parametrize("role", Role)
def test_no_tool_calls_are_a_value(role: Role) -> None:
    check_message_with(role=role, tool_calls=[])


def test_a_refusal_names_the_field_and_never_shows_its_value() -> None:
    secret = "s3cret\x00"

    with pytest.raises(InvalidInput) as refusal:
        check_text("title", secret, 100)

    assert refusal.value.field == "title"
    assert "s3cret" not in str(refusal.value)


def test_optional_fields_may_be_left_out() -> None:
    check_session(NewSession(agent_id="a"))
    check_message(NewMessage(role=Role.USER, content="x"))
    check_profile("alice", None)
