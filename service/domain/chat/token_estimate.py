"""Counting tokens without a tokenizer: an estimate from the kinds of characters in a text.

Each model has a tokenizer of its own, and none is at hand offline for all of them. So the
count is meant to be too high rather than too low. Measured against cl100k_base (decision
0008): English dialogues 1.4 times the true count, source code and JSON 1.6, Japanese and
Korean 1.4 to 1.5, Russian 1.7; of 71 languages the lowest is Welsh with 0.91, the highest
Marathi with 1.73; single short messages scatter from 0.75. Newer vocabularies need fewer
tokens outside English (o200k_base: 1.05 at the lowest), so there the count is higher still.
"""

import json
import math
import re
from collections.abc import Iterable
from string import ascii_letters, digits
from typing import NamedTuple

from service.domain.models import Content, JsonObject, NewMessage

# What every chat format puts around a message: its role and where it begins and ends.
MESSAGE_OVERHEAD = 5
# What a picture or another part that is no text costs at most, however long its encoding is.
MAX_OTHER_PART_TOKENS = 1500


class Kind(NamedTuple):
    """Characters, classified by the first byte of their UTF-8, and the tokens each one takes."""

    first_bytes: bytes
    tokens: float


def _bytes(*ranges: tuple[int, int]) -> bytes:
    return bytes(byte for first, last in ranges for byte in range(first, last + 1))


ASCII_PUNCTUATION_TOKENS = 0.75
KINDS = (
    Kind(ascii_letters.encode(), 0.36),
    Kind(digits.encode(), 0.6),
    Kind(b" ", 0.05),
    Kind(_bytes((0xD0, 0xD3)), 0.8),  # Cyrillic
    Kind(_bytes((0xD4, 0xD6), (0xE0, 0xE1)), 2.1),  # Armenian, Georgian, scripts of South Asia
    Kind(_bytes((0xC2, 0xCF), (0xD7, 0xDF)), 1.2),  # other alphabets of two bytes
    Kind(_bytes((0xE2, 0xE9), (0xEE, 0xEF)), 1.3),  # Chinese, Japanese, typographic signs
    Kind(_bytes((0xEA, 0xED)), 1.6),  # Korean
    Kind(_bytes((0xF0, 0xF4)), 3.0),  # emoji
)
# No character takes less, so no text of so many tokens is longer than this allows.
FEWEST_TOKENS = min(kind.tokens for kind in KINDS)
CONTINUATION_BYTES = _bytes((0x80, 0xBF))
# Keys, hashes and base64 are no words, and fall into more tokens than words do.
_OPAQUE = re.compile(rb"[A-Za-z0-9+/=_-]{25,}")
OPAQUE_TOKENS = 0.45


def tokens_in(text: str) -> int:
    """Return about how many tokens the text has. O(length), 30 ns a character at most."""
    data = text.encode(errors="replace")
    total = OPAQUE_TOKENS * sum(map(len, _OPAQUE.findall(data)))
    others = len(data) - _count(data, CONTINUATION_BYTES)
    for kind in KINDS:
        number = _count(data, kind.first_bytes)
        total += number * kind.tokens
        others -= number
    return math.ceil(total + others * ASCII_PUNCTUATION_TOKENS)


def end_of(text: str, tokens: int) -> str:
    """Return as much of the end of the text as has no more than so many tokens."""
    text = text[-math.ceil((tokens + 1) / FEWEST_TOKENS) :] if tokens > 0 else ""
    shortest, longest = 0, len(text)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if tokens_in(text[-middle:]) <= tokens:
            shortest = middle
        else:
            longest = middle - 1
    return text[len(text) - shortest :]


def tokens_of(message: NewMessage) -> int:
    """Return about how many tokens the message takes in a prompt."""
    texts = [message.name, message.tool_call_id, message.reasoning_content]
    tokens = MESSAGE_OVERHEAD + sum(tokens_in(text) for text in texts if text)
    return tokens + _tokens_of_content(message.content) + tokens_of_json(message.tool_calls)


def tokens_of_all(messages: Iterable[NewMessage]) -> int:
    return sum(map(tokens_of, messages))


def tokens_of_json(value: list[JsonObject] | None) -> int:
    return tokens_in(json.dumps(value, ensure_ascii=False)) if value else 0


def _tokens_of_content(content: Content) -> int:
    if isinstance(content, list):
        return sum(map(_tokens_of_part, content))
    return tokens_in(content or "")


def _tokens_of_part(part: JsonObject) -> int:
    text = part.get("text")
    if isinstance(text, str):
        return tokens_in(text)
    return min(tokens_of_json([part]), MAX_OTHER_PART_TOKENS)


def _count(data: bytes, kind: bytes) -> int:
    return len(data) - len(data.translate(None, kind))
