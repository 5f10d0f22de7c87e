"""Bounds on what a provider may send: the HTTP client itself takes endless responses."""

from collections.abc import AsyncIterator

import httpx2

# A token of a stream comes in some 300 bytes of JSON; the longest completion stays below this.
MAX_RESPONSE_BYTES = 32 * 1024 * 1024


class UnusableResponse(httpx2.TransportError):
    """The response is larger than any completion, or compressed, which would hide its size."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream
        self._left_bytes = MAX_RESPONSE_BYTES

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left_bytes -= len(chunk)
            if self._left_bytes < 0:
                raise UnusableResponse("too large")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def bound(response: httpx2.Response) -> None:
    """Bound the body of a response before it is read: an event hook of the client."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise UnusableResponse("compressed")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)
