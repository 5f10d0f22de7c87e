"""An issuer's key server on loopback that can rotate, fail, hang, die and serve junk."""

import asyncio
import json
from typing import Any


class KeyServer:
    def __init__(self) -> None:
        self.body = b""
        self.status = "200 OK"
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.last_request = ""
        self.delay_s = 0.0
        self._asked = asyncio.Event()
        self._hanging = asyncio.Event()
        self._hanging.set()
        self._answering: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/keys"

    def publish(self, *jwks: dict[str, Any]) -> None:
        self.body = json.dumps({"keys": jwks}).encode()

    def hang(self) -> None:
        self._hanging.clear()

    def recover(self) -> None:
        self._hanging.set()

    async def asked_again(self) -> None:
        """Wait until the next request has arrived, before it gets a response."""
        self._asked.clear()
        await self._asked.wait()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.recover()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        await asyncio.gather(*self._answering)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The client hung up first, as some tests make it do.
        finally:
            writer.close()
            self._answering.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.last_request = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        self.requests += 1
        self._asked.set()
        await asyncio.sleep(self.delay_s)
        await self._hanging.wait()
        lines = {"Content-Length": str(len(self.body)), "Connection": "close", **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"HTTP/1.1 {self.status}\r\n{head}\r\n".encode() + self.body)
        await writer.drain()
