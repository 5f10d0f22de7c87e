"""New connections, however busy the event loop is."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

# The rest is for the next turn, or for another process at the same listener. At five times the
# peak, a health check on a new connection waits up to 0.4 s; with 64, up to 1 s (measured).
MOST_A_TURN = 256
# As in libuv and asyncio: with no file descriptor left, a ready listener would keep the loop busy.
PAUSE_S = 1

logger = logging.getLogger(__name__)


class Acceptor:
    """Accepts all that waits at a listener; uvloop accepts one connection per turn of its loop.

    Its libuv has done so since 1.45, and under overload a turn is long: new clients, and health
    checks of the process, would wait in the backlog for half a minute.
    """

    def __init__(self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._listener = listener
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._connecting: set[asyncio.Task[Any]] = set()

    def start(self, backlog: int) -> None:
        self._listener.settimeout(0)
        self._listener.listen(backlog)
        self._resume()

    async def stop(self) -> None:
        """Close the listener; return once every accepted connection is set up. They stay open."""
        if self._pause:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        if self._connecting:
            await asyncio.wait(self._connecting)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(MOST_A_TURN):
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                logger.warning("no connection can be accepted", extra={"problem": str(error)})
                self._loop.remove_reader(self._listener)
                self._pause = self._loop.call_later(PAUSE_S, self._resume)
                return
            connecting = self._loop.create_task(
                self._loop.connect_accepted_socket(self._protocol, connection)
            )
            self._connecting.add(connecting)
            connecting.add_done_callback(self._connecting.discard)
