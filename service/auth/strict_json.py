"""JSON objects from strangers: no duplicate names, only JSON's numbers, bounded depth."""

import json
import re
from typing import Any, NoReturn

# Possessive, and it accepts a string that never ends: linear on any input.
_STRING = re.compile(r'"(?:[^"\\]++|\\[\s\S])*+"?')
_BRACKET = re.compile(r"[\[\]{}]")


def parse_object(encoded: bytes, *, max_depth: int) -> dict[str, Any]:
    """Return the JSON object.

    Raises:
        ValueError: it is anything but one UTF-8 JSON object of at most `max_depth` levels.
    """
    text = encoded.decode()
    # Measured first: the parser itself recurses, and deep nesting would exhaust the stack.
    if _depth(text) > max_depth:
        raise ValueError("nested too deep")
    value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004  Callers catch one type.
    return value


def _depth(text: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
