"""How uvicorn receives requests: with bounds on headers, time and connections, which it lacks.

A client that exceeds one gets one JSON response, if still possible, and the connection ends.
"""

import asyncio
import math
import socket
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api.kit.dialect import Refusal
from service.api.kit.router import Router
from service.edge.headers import new_request_id
from service.edge.in_flight import BUSY_HEADERS
from service.edge.raw_responses import CLOSE, raw_answer
from service.edge.shedding import Shedding
from service.observability.metrics import HTTP_REFUSED

# The colon, a space and the end of the line.
LINE_OVERHEAD_BYTES = 4
# How many requests one connection may send at once; more would cost memory, not work.
MAX_PIPELINED = 100
LAST_BYTES_S = 5
MALFORMED = Refusal(
    HTTPStatus.BAD_REQUEST, "malformed_request", "The bytes sent are not a valid HTTP request."
)
NO_HOST = Refusal(
    HTTPStatus.BAD_REQUEST, "malformed_request", "HTTP/1.1 requires exactly one Host header."
)
TOO_SLOW = Refusal(
    HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "The request took too long to arrive."
)
TOO_MANY_CONNECTIONS = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "busy", "The service has too many connections."
)


class ReceiveLimits(NamedTuple):
    """`header_timeout_s` is for all headers, `body_timeout_s` for the whole body after them.

    After `send_timeout_s` in which a client read nothing of a response, it gets no more of it.
    """

    max_header_bytes: int
    max_header_lines: int
    header_timeout_s: float
    body_timeout_s: float
    send_timeout_s: float
    max_connections: int


class LimitedProtocol(HttpToolsProtocol):
    """One connection. `limited_protocol` makes a class with limits of its own."""

    limits: ReceiveLimits
    shedding: Shedding
    router: Router

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._begin_head()
        self._has_begun = False
        self._has_just_shown = False
        self._has_just_ended = False
        self._refused_s = -math.inf

    # What the transport calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._limit_sending(transport.get_extra_info("socket"))
        if len(self.connections) > self.limits.max_connections:
            self._refuse(TOO_MANY_CONNECTIONS)
        else:
            self._set_deadline(self.limits.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or (self.shedding.is_on and self._has_shed(data)):
            return
        self._has_just_shown = self._has_just_ended = False
        super().data_received(data)
        if self._has_just_ended or self.transport.is_closing():
            self._clear_deadline()
            return
        if self._deadline is None:
            self._set_deadline(self._time_s)
        if not self._has_just_shown:
            # The parser shows a line once it is complete, and this one may never end: a header
            # line, the length of a chunk, or a line after the last chunk.
            self._unseen_bytes += len(data)
            if self._unseen_bytes > self.limits.max_header_bytes:
                self._refuse_head()

    # What the server calls

    def shutdown(self) -> None:
        super().shutdown()
        if self._has_begun and not self.transport.is_closing():
            # A process that stops cannot wait for a client that stalls.
            self._clear_deadline()
            self._set_deadline(min(self._time_s, LAST_BYTES_S))

    # What the parser calls

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()
        self._has_begun = self._has_just_shown = True
        self._has_just_ended = False

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_lines += 1
        self._count(len(name) + len(value) + LINE_OVERHEAD_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._clear_deadline()
        if len(self.pipeline) >= MAX_PIPELINED:
            self.transport.close()
        elif not self._names_its_host():
            self._refuse(NO_HOST)
        if not self.transport.is_closing():
            super().on_headers_complete()
        # Not earlier: if the headers are invalid, the previous request is still the last one.
        self._is_in_head = False
        self._unseen_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._has_just_shown = True
        self._unseen_bytes = 0
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_head = self._has_just_ended = True
        self._has_begun = False
        if not self.transport.is_closing():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  Uvicorn's text is not JSON.
        self._refuse(MALFORMED)

    # Load

    def _has_shed(self, data: bytes) -> bool:
        """Refuse this here, if possible, for a fraction of what it would cost the application."""
        if self._has_begun or self._is_answering() or self.flow.write_paused:
            return False
        refusal = self.shedding.refusal_of(data)
        if refusal is None:
            return False
        self._clear_deadline()
        self.transport.write(refusal)
        if self.timeout_keep_alive_task is None:
            self.on_response_complete()
        else:
            # Stopping a timer and starting another would be a sixth of the cost.
            self._refused_s = self.loop.time()
        return True

    def timeout_keep_alive_handler(self) -> None:
        rest_s = self._refused_s + self.timeout_keep_alive - self.loop.time()
        if rest_s > 0:
            self.timeout_keep_alive_task = self.loop.call_later(
                rest_s, self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

    # Bounds

    def _names_its_host(self) -> bool:
        """Say whether no one on the way can have read another host than we do: RFC 9112, 3.2."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        return hosts == 1 or (hosts == 0 and self.parser.get_http_version() != "1.1")

    def _limit_sending(self, connection: socket.socket) -> None:
        """Let the kernel end the connection of a client that reads nothing of its response.

        Only the kernel sees what the client reads, and it goes on after we have closed. Only Linux
        does it: elsewhere, on developers' machines, such a client keeps its connection.
        """
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            timeout_ms = round(self.limits.send_timeout_s * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)

    def _begin_head(self) -> None:
        self._is_in_head = True
        self._unseen_bytes = self._header_bytes = self._header_lines = 0

    def _count(self, size_bytes: int) -> None:
        self._header_bytes += size_bytes
        if (
            self._header_bytes > self.limits.max_header_bytes
            or self._header_lines > self.limits.max_header_lines
        ):
            self._refuse_head()

    @property
    def _time_s(self) -> float:
        limits = self.limits
        return limits.header_timeout_s if self._is_in_head else limits.body_timeout_s

    def _set_deadline(self, time_s: float) -> None:
        self._deadline = self.loop.call_later(time_s, self._time_is_up)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _time_is_up(self) -> None:
        self._deadline = None
        if self.flow.read_paused or (self._is_in_head and self._is_answering()):
            # The client is waiting for us, not we for the client.
            self._set_deadline(self._time_s)
        elif not self._has_begun:
            self.transport.close()
        else:
            self._refuse(TOO_SLOW)

    def _is_answering(self) -> bool:
        # Before the first request there is no cycle, which uvicorn's type leaves out.
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _may_answer(self) -> bool:
        """Say whether the client would take a response as the one to what it sends now."""
        if self._is_in_head:
            return not self._is_answering()
        return not self.pipeline and not self.cycle.response_started

    def _refuse_head(self) -> None:
        self._refuse(
            Refusal(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers_too_large",
                f"The headers of a request may have {self.limits.max_header_bytes} bytes "
                f"and {self.limits.max_header_lines} lines.",
            )
        )

    def _refuse(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        HTTP_REFUSED.labels(str(refusal.status.value)).inc()
        if self._may_answer():
            self.transport.write(self._raw(refusal))
        self.transport.close()

    def _raw(self, refusal: Refusal) -> bytes:
        path = self.url.partition(b"?")[0].decode("latin-1") if self._has_begun else ""
        body = orjson.dumps(self.router.dialect_of(unquote(path)).refusal(refusal))
        is_busy = refusal.status is HTTPStatus.SERVICE_UNAVAILABLE
        headers = CLOSE | (BUSY_HEADERS if is_busy else {})
        return raw_answer(refusal.status, body, headers, new_request_id())


def limited_protocol(
    limits: ReceiveLimits, shedding: Shedding, router: Router
) -> type[LimitedProtocol]:
    """Return the class of connections with these limits, as uvicorn wants it."""
    attributes = {"limits": limits, "shedding": shedding, "router": router}
    return type("Limited", (LimitedProtocol,), attributes)
