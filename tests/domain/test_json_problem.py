"""Problems with JSON are described in helpful words, with their place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.json_problem import json_problem

SYNTAX = "what the parser says"


@pytest.mark.parametrize(
    ("data", "place", "character"),
    [
        (b'{"content": "\\ud83d"}', "content", 1),
        (b'{"content": "a\\ude00b"}', "content", 2),
        (b'{"content": "\\ude00\\ud83d"}', "content", 1),
        (b'{"content": "\\ud83d\\ude00\\ud83dx"}', "content", 2),
        (b'{"metadata": {"a": [1, {"b": "\\ud83d"}]}}', "metadata.a[1].b", 1),
        (b'{"metadata": {"a\\ud83d": 1}}', "a key of metadata", 2),
        (b'{"\\ud83d": 1}', "a key", 1),
        (b'"\\ud83d"', "the text", 1),
        (b'["x", "\\uD83D"]', "[1]", 1),
    ],
)
def test_half_of_a_surrogate_pair_is_named_and_located(
    data: bytes, place: str, character: int
) -> None:
    problem = json_problem(data, SYNTAX)

    half = f"{place}: half of a surrogate pair at character {character}"
    assert problem == f"{half}; send the whole character"
    assert problem.isascii()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "not in UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "not in UTF-8"),
        ('{"a": 1}'.encode("utf-32-be"), "not in UTF-8"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b'{"a": NaN}', "NaN is not a value of JSON"),
        (b'{"a": [-Infinity]}', "-Infinity is not a value of JSON"),
        (b'{"a": 1,}', SYNTAX),
        (b'{"a": 1', SYNTAX),
        (b"", SYNTAX),
        (b"{'a': \"\\ud83d\"}", SYNTAX),
        (b"[" * 100_000, SYNTAX),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_other_problems_are_named_or_left_to_the_parser(data: bytes, problem: str) -> None:
    assert problem in json_problem(data, SYNTAX)


JSON = st.recursive(st.text(max_size=5) | st.integers() | st.none(), st.lists, max_leaves=20)


@given(JSON)
def test_no_lone_surrogate_is_reported_where_none_exists(value: object) -> None:
    assert json_problem(json.dumps(value).encode(), SYNTAX) == SYNTAX
