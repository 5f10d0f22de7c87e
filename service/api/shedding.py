"""Refusals of a busy process, from the bytes of a request: before a parser, a task, a middleware.

What a refusal costs is taken from those who are served. Only requests whose end anybody would
see alike are refused here: whole, in one piece and with nothing behind them, as the kernel hands
out what has waited for a busy process. The application refuses the others.
"""

import re
from http import HTTPStatus
from typing import NamedTuple

from service.api.headers import usable_request_id
from service.api.in_flight import BUSY, BUSY_HEADERS, InFlight
from service.api.middleware import count_shed
from service.api.raw_answers import CLOSE, raw_answer
from service.observability.health import Readiness

# The quantifiers give nothing back, so that this costs each byte once.
_REQUEST = re.compile(
    rb"(GET|POST|PUT|PATCH|DELETE) (/[!->@-~]*+)[!-~]*+ HTTP/1\.1"
    rb"((?:\r\n[\w-]++:[\t -~]*+)++)\r\n\r\n"
)
_FIELD = re.compile(
    rb"\n(content-length|connection|x-request-id|origin|expect|transfer-encoding|upgrade):([^\r]*)",
    re.IGNORECASE,
)
# A browser reads no answer without CORS headers; the others make another end or another protocol.
_NOT_HERE = frozenset({b"origin", b"expect", b"transfer-encoding", b"upgrade"})
_PLACE_OF_ID = b"%s"
_REFUSAL = raw_answer(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, BUSY_HEADERS, _PLACE_OF_ID)
_LAST_REFUSAL = raw_answer(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, BUSY_HEADERS | CLOSE, _PLACE_OF_ID)


class Refusal(NamedTuple):
    """An answer as it goes out; `is_last` says whether the client wants no more of them."""

    answer: bytes
    is_last: bool


class Shedding:
    """Refuses what would be one too many; leaves all of it to the application when it drains."""

    def __init__(self, in_flight: InFlight, readiness: Readiness) -> None:
        self._in_flight = in_flight
        self._readiness = readiness

    @property
    def is_on(self) -> bool:
        return self._in_flight.is_full and not self._readiness.is_draining

    def refusal_of(self, data: bytes) -> Refusal | None:
        """Return the answer to the request that this is, if it is one that is refused here."""
        request = _REQUEST.match(data)
        if request is None:
            return None
        method, path, head = request.groups()
        found = _FIELD.findall(head)
        fields = {name.lower(): value.strip() for name, value in found}
        connection = fields.get(b"connection", b"keep-alive").lower()
        if (
            len(fields) < len(found)
            or not fields.keys().isdisjoint(_NOT_HERE)
            or fields.get(b"content-length", b"0") != b"%d" % (len(data) - request.end())
            or connection not in {b"keep-alive", b"close"}
            or not self._in_flight.is_full_for(path.decode())
        ):
            return None
        count_shed(method.decode())
        is_last = connection == b"close"
        request_id = usable_request_id(fields.get(b"x-request-id", b""))
        return Refusal((_LAST_REFUSAL if is_last else _REFUSAL) % request_id, is_last)
