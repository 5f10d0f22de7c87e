"""Text from a model is cleaned: halves of characters are joined, or shown as missing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.llm.text import TextStream, fit, fit_json

SMILE = "\U0001f600"
HIGH, LOW = "\ud83d", "\ude00"
TEXTS = st.text(alphabet=st.sampled_from(["a", "é", SMILE, HIGH, LOW, "\x00"]), max_size=12)


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        ("plain", "plain"),
        (f"é{SMILE}", f"é{SMILE}"),
        (HIGH + LOW, SMILE),
        (HIGH, "\ufffd"),
        (LOW, "\ufffd"),
        (LOW + HIGH, "\ufffd\ufffd"),
        (f"a{HIGH}b", "a\ufffdb"),
        ("a\x00b", "a\ufffdb"),
    ],
    ids=ascii,
)
def test_halves_are_joined_and_a_lone_half_is_shown_as_missing(text: str, fitting: str) -> None:
    assert fit(text) == fitting


@given(st.lists(TEXTS, max_size=6))
def test_the_pieces_of_a_text_give_the_same_as_the_whole_text(pieces: list[str]) -> None:
    stream = TextStream()

    sent = [stream.add(piece) for piece in pieces]
    sent.append(stream.end())

    assert "".join(sent) == stream.text == fit("".join(pieces))
    for piece in sent:
        piece.encode()


@given(TEXTS)
def test_cleaned_text_can_be_written_and_cleaning_it_again_changes_nothing(text: str) -> None:
    once = fit(text)

    assert once.encode().decode() == once
    assert fit(once) == once
    assert "\x00" not in once


def test_every_text_and_key_in_a_value_is_cleaned() -> None:
    value = json.loads('{"a\\ud83d": ["\\ud83d\\ude00", {"b": "\\ude00"}, 1, null]}')

    assert fit_json(value) == {"a\ufffd": [SMILE, {"b": "\ufffd"}, 1, None]}
