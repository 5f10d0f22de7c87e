"""Refusals of a busy process, from the bytes of a request: before a parser, a task, a middleware.

What a refusal costs is taken from those who are served. Only requests whose end anybody would
see alike are refused here: whole, in one piece and with nothing behind them, as the kernel hands
out what has waited for a busy process. The application refuses the others.
"""

import re
from http import HTTPStatus

from service.api.headers import new_request_id, usable_request_id
from service.api.in_flight import BUSY, BUSY_HEADERS, InFlight
from service.api.middleware import count_shed
from service.api.raw_answers import raw_answer
from service.observability.health import Readiness


def _any_case(names: str) -> str:
    # A quarter less work for each request than re.IGNORECASE.
    return re.sub("[a-z]", lambda letter: f"[{letter[0].upper()}{letter[0]}]", names)


_LINE = r"[\w-]++:[\t\x20-~]*+"
# A browser reads no answer without CORS headers; the others make another end or another protocol.
_NOT_HERE = "origin|expect|transfer-encoding|upgrade"
# The quantifiers give nothing back, so that this costs each byte once. Where a name may stand once,
# its group must have nothing yet. Most lines are the first kind.
_REQUEST = re.compile(
    rf"""
    (GET|POST|PUT|PATCH|DELETE)[ ](/[!->@-~]*+)[!-~]*+[ ]HTTP/1\.1
    (?:\r\n(?:
        (?![CcEeOoTtUuXx]) {_LINE}
      | {_any_case("content-length")}: (?(3)(?!)) [ ]?(\d++)
      | {_any_case("x-request-id")}: (?(4)(?!)) [ ]?([!-~]++)
      | {_any_case("connection")}: [ ]?{_any_case("keep-alive")}
      | (?!(?:{_any_case(f"content-length|x-request-id|connection|{_NOT_HERE}")}):) {_LINE}
    ))++\r\n\r\n
    """.encode(),
    re.VERBOSE,
)
_PLACE_OF_ID = b"%s"
_REFUSAL = raw_answer(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, BUSY_HEADERS, _PLACE_OF_ID)


class Shedding:
    """Refuses what would be one too many; leaves all of it to the application when it drains."""

    def __init__(self, in_flight: InFlight, readiness: Readiness) -> None:
        self._in_flight = in_flight
        self._readiness = readiness

    @property
    def is_on(self) -> bool:
        return self._in_flight.is_full and not self._readiness.is_draining

    def refusal_of(self, data: bytes) -> bytes | None:
        """Return the answer to the request that this is, if it is one that is refused here.

        Whoever sends it gets more answers on the same connection.
        """
        request = _REQUEST.match(data)
        if request is None:
            return None
        method, path, length, request_id = request.groups()
        if (length or b"0") != b"%d" % (len(data) - request.end()):
            return None
        if not self._in_flight.is_full_for(path.decode()):
            return None
        count_shed(method.decode())
        return _REFUSAL % (usable_request_id(request_id) if request_id else new_request_id())
