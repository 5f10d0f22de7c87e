"""Whatever a line contains, it becomes a conversation or one clear refusal."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidInput
from service.domain.transfer.conversation_line import (
    ConversationLine,
    Defaults,
    LineMessage,
    read_line,
)
from tests.cli.any_line import anything, is_refused_or_read
from tests.cli.conversations import EVERYTHING

DEFAULTS = Defaults("u", "a")


def read(text: bytes) -> object:
    return read_line(text, DEFAULTS)


@given(st.sampled_from(sorted(ConversationLine.model_fields)), anything)
def test_any_value_in_a_field_of_a_line_is_read_or_refused(field: str, value: Any) -> None:
    line = EVERYTHING | {field: value}

    assert is_refused_or_read(read, json.dumps(line).encode())


@given(st.sampled_from(sorted(LineMessage.model_fields)), anything)
def test_any_value_in_a_field_of_a_message_is_read_or_refused(field: str, value: Any) -> None:
    line = EVERYTHING | {"messages": [EVERYTHING["messages"][0] | {field: value}]}

    assert is_refused_or_read(read, json.dumps(line).encode())


@given(st.binary())
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    assert is_refused_or_read(read, text)


def test_json_nested_too_deeply_is_refused() -> None:
    text = '{"messages": ' + "[" * 100_000 + "]" * 100_000 + "}"

    with pytest.raises(InvalidInput, match="recursion limit"):
        read_line(text.encode(), DEFAULTS)
