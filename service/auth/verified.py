"""Recently verified tokens, so that a busy client pays for a signature check only once."""

from collections import OrderedDict
from typing import NamedTuple

from service.auth.header import Header
from service.auth.keys import Key
from service.domain.access import Caller

MAX_TOKENS = 10_000


class Verified(NamedTuple):
    caller: Caller
    expires_s: float
    header: Header
    key: Key


class VerifiedTokens:
    """Keeps at most `MAX_TOKENS`; the least recently used goes first."""

    def __init__(self, max_tokens: int = MAX_TOKENS) -> None:
        self._found: OrderedDict[str, Verified] = OrderedDict()
        self._max_tokens = max_tokens

    def get(self, token: str, now_s: float) -> Verified | None:
        """Return the result of the check, unless the token has expired since."""
        verified = self._found.get(token)
        if verified is None:
            return None
        if now_s >= verified.expires_s:
            del self._found[token]
            return None
        self._found.move_to_end(token)
        return verified

    def put(self, token: str, verified: Verified) -> None:
        self._found[token] = verified
        self._found.move_to_end(token)
        if len(self._found) > self._max_tokens:
            self._found.popitem(last=False)

    def __len__(self) -> int:
        return len(self._found)
