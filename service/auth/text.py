"""Which texts in a token may name a user or something else."""

import re
from typing import TypeGuard

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def is_name(value: object, max_chars: int) -> TypeGuard[str]:
    """Say whether it is a text of 1 to `max_chars`, with no control character or lone surrogate."""
    return (
        isinstance(value, str) and 1 <= len(value) <= max_chars and not _UNPRINTABLE.search(value)
    )
