"""HTTP for a client that expects faults: whether a request was sent, and how it ended.

A load of thousands of requests a second leaves little time for each, so this is only
kept-alive connections and httptools' parser.
"""

import asyncio
import time
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

CONNECT_TIMEOUT_S = 5
# A server may close an idle connection while a request is on its way: use no older ones.
IDLE_EXPIRY_S = 1


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class NotSent(Exception):
    """There was no connection: the service has certainly not seen the request."""


class NoAnswer(Exception):
    """The request was sent, perhaps in part, and no complete response came."""


class _Connection(asyncio.Protocol):
    """One connection, which carries one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._used_s = time.monotonic()
        self._begin()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def idle_s(self) -> float:
        return time.monotonic() - self._used_s

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        if self._transport is None or not self.is_open:
            raise NotSent("the connection was closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is one too, but does not declare it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the answer is not HTTP: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection ended: {exc or 'closed'}")

    # What the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._used_s = time.monotonic()
        answer = Answer(self._parser.get_status_code(), self._headers, b"".join(self._body))
        if not self._parser.should_keep_alive():
            self.close()
        self._begin()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)

    def _begin(self) -> None:
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def _fail(self, problem: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(NoAnswer(problem))


class Server:
    """One address, and the idle connections to it."""

    def __init__(self, url: str, *, idle_expiry_s: float = IDLE_EXPIRY_S) -> None:
        parts = urlsplit(url)
        self.authority = parts.netloc
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._idle: list[_Connection] = []
        self._idle_expiry_s = idle_expiry_s

    async def ask(self, request: bytes, *, deadline_s: float) -> Answer:
        """Return the complete response.

        Raises:
            NotSent: no connection could be made.
            NoAnswer: the connection broke, or the deadline passed.
        """
        connection = self._idle_one() or await self._connect()
        try:
            async with asyncio.timeout(deadline_s):
                answer = await connection.ask(request)
        except TimeoutError:
            connection.close()
            raise NoAnswer(f"no answer within {deadline_s:g} s") from None
        except asyncio.CancelledError:
            connection.close()
            raise
        if connection.is_open:
            self._idle.append(connection)
        return answer

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _idle_one(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and connection.idle_s < self._idle_expiry_s:
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(_Connection, self._host, self._port)
        except (OSError, TimeoutError) as error:
            raise NotSent(f"no connection: {error!r}") from None
        return connection
