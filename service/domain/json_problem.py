"""What is wrong with bytes that should be JSON, in words for the person who sent them."""

import json
import re
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"
_OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff")
# A text of ASCII in UTF-16 or UTF-32 has a NUL among its first bytes, JSON in UTF-8 never.
_FIRST_BYTES = 4


def json_problem(data: bytes, syntax: str) -> str:
    """Return what is wrong and where, without a full stop; `syntax` is what the parser says.

    Costs a second look at the data: only for what was refused.
    """
    if data.startswith(_BOM):
        return "it begins with a byte order mark; send UTF-8 without one"
    if data.startswith(_OTHER_ENCODINGS) or b"\x00" in data[:_FIRST_BYTES]:
        return "it is not in UTF-8; send UTF-8"
    try:
        value = json.loads(data.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 at byte {error.start}"
    except _NotANumber as error:
        return f"{error} is not a value of JSON; send a number or null"
    except (ValueError, RecursionError):
        return syntax
    return _lone_half_in(value) or syntax


class _NotANumber(Exception):
    """NaN, Infinity or -Infinity."""


def _refuse_constant(name: str) -> None:
    raise _NotANumber(name)


def _lone_half_in(root: Any) -> str | None:
    """Return where half of a character stands alone; the first of them, outer ones first."""
    level: list[tuple[str, Any]] = [("", root)]
    while level:
        below: list[tuple[str, Any]] = []
        for place, value in level:
            if isinstance(value, str) and (half := _HALF.search(value)):
                return _problem(place or "the text", half)
            if isinstance(value, dict):
                for key, inner in value.items():
                    if half := _HALF.search(key):
                        return _problem(f"a key of {place}" if place else "a key", half)
                    below.append((f"{place}.{key}" if place else key, inner))
            elif isinstance(value, list):
                below.extend((f"{place}[{i}]", inner) for i, inner in enumerate(value))
        level = below
    return None


def _problem(place: str, half: re.Match[str]) -> str:
    return (
        f"{place}: half of a surrogate pair at character {half.start() + 1}; send the whole "
        "character"
    )
