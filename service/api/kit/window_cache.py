"""Windows of logs as encoded bytes, so that a busy session is read and encoded once.

A cached window is shown only for exactly the numbers it holds. A number is never given to
another message, and the head, which every request reads again, says which numbers the
window has now. So a window of a cleared or deleted session cannot be shown.

Only an import can give the id of a deleted session to a new one, whose numbers begin again:
not before a sweep has removed the last trace of the old one. No window is kept for that long.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple
from uuid import UUID

from service.domain.access import Caller
from service.domain.models import Message, Session
from service.domain.sessions import Sessions
from service.domain.window import Window, seqs_in

ENTRY_OVERHEAD_BYTES = 500


class _Encoded(NamedTuple):
    seqs: range
    data: bytes
    asked_s: float

    @property
    def size_bytes(self) -> int:
        return len(self.data) + ENTRY_OVERHEAD_BYTES


class EncodedWindows:
    """Keeps at most about `max_bytes`; the least recently shown window goes first.

    None is shown for longer than `max_age_s`, which must not exceed how long the trace of a
    deleted session is kept.
    """

    def __init__(self, sessions: Sessions, *, max_bytes: int, max_age_s: float) -> None:
        self._sessions = sessions
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._windows: OrderedDict[Hashable, _Encoded] = OrderedDict()
        self.size_bytes = 0
        self.hits = 0
        self.misses = 0

    async def read(
        self,
        caller: Caller,
        session_id: UUID,
        window: Window,
        *,
        kind: Hashable,
        encode: Callable[[list[Message]], bytes],
    ) -> tuple[Session, bytes]:
        """Return the head, and the encoded messages of its log in the window.

        `kind` names the encoding: what `encode` makes may depend on it and on nothing else.

        Raises:
            SessionNotFound, SessionForeign: there is no such session for this caller.
        """
        asked_s = time.monotonic()
        session = await self._sessions.get(caller, session_id)
        seqs = seqs_in(window, session)
        key = (session_id, window, kind)
        found = self._windows.get(key)
        if found is not None and found.seqs == seqs and not self._is_old(found):
            self._windows.move_to_end(key)
            self.hits += 1
            return session, found.data
        self.misses += 1
        messages = await self._sessions.read_range(caller, session, seqs)
        if messages is None:
            # The log was cleared in between: the head and the messages must match.
            session, messages = await self._sessions.read(caller, session_id, window)
            return session, encode(messages)
        data = encode(messages)
        self._put(key, _Encoded(seqs, data, asked_s))
        return session, data

    def _is_old(self, encoded: _Encoded) -> bool:
        return time.monotonic() - encoded.asked_s >= self._max_age_s

    def _put(self, key: Hashable, encoded: _Encoded) -> None:
        replaced = self._windows.pop(key, None)
        self.size_bytes += encoded.size_bytes - (replaced.size_bytes if replaced else 0)
        self._windows[key] = encoded
        while self.size_bytes > self._max_bytes:
            _, oldest = self._windows.popitem(last=False)
            self.size_bytes -= oldest.size_bytes
