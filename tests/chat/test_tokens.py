"""Counting tokens: an estimate that is meant to be too high rather than too low."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.chat.token_estimate import (
    MAX_OTHER_PART_TOKENS,
    MESSAGE_OVERHEAD,
    end_of,
    tokens_in,
    tokens_of,
)
from tests.chat.asking import CALL, assistant, user

# Texts, and how many tokens cl100k_base has for them.
COUNTED = [
    ("I want to make a restaurant reservation for 2 people at half past 11 in the morning.", 20),
    ("Confirming: I will reserve a table for 2 people at Sino in San Jose.", 19),
    ("def main() -> int:\n    return sum(range(10))\n", 13),
    ('{"role": "user", "content": "What is the capital of France?"}', 18),
    ("今日はとても良い天気ですね。散歩に行きましょう。", 28),
    ("오늘은 날씨가 정말 좋네요. 산책하러 갑시다.", 32),
    ("Сегодня очень хорошая погода, пойдём гулять.", 25),
    ("Heute ist das Wetter sehr schön, lass uns spazieren gehen.", 17),
    ("आज मौसम बहुत अच्छा है।", 26),
    ("6f1f7c0e-3b52-4c5e-9f0e-0b8a4f3f2a11", 34),
]


@pytest.mark.parametrize(("text", "tokens"), COUNTED)
def test_the_estimate_is_close_and_rather_too_high(text: str, tokens: int) -> None:
    assert 0.95 * tokens <= tokens_in(text) <= 1.8 * tokens


@given(st.text(), st.text())
def test_a_longer_text_never_has_fewer_tokens(text: str, more: str) -> None:
    assert tokens_in(text + more) >= tokens_in(text)


@given(st.text(), st.integers(0, 60))
def test_the_end_of_a_text_is_as_long_as_allowed(text: str, tokens: int) -> None:
    end = end_of(text, tokens)

    assert text.endswith(end)
    assert tokens_in(end) <= tokens
    assert end == text or tokens_in(text[-len(end) - 1 :]) > tokens


def test_a_message_costs_more_than_its_text() -> None:
    assert tokens_of(user("hello")) == MESSAGE_OVERHEAD + tokens_in("hello")
    assert tokens_of(user("hello", name="alice")) > tokens_of(user("hello"))


def test_tool_calls_count() -> None:
    assert tokens_of(assistant(None, tool_calls=[CALL])) > 20


def test_text_parts_are_counted_and_a_picture_has_a_fixed_cost() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9000}}
    message = user("").model_copy(update={"content": [{"type": "text", "text": "hi"}, picture]})

    assert tokens_of(message) == MESSAGE_OVERHEAD + tokens_in("hi") + MAX_OTHER_PART_TOKENS
