"""Request deadlines: every request gets a response in time, whatever it is waiting for."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from service.domain.errors import OutcomeUnknown, StoreUnavailable

CHECK_EVERY_S = 0.5
_CHANGES_NOTHING = frozenset({"GET", "HEAD"})

_Task = asyncio.Task[object] | None


class Deadlines:
    """Ends the work on requests whose time is over, within `CHECK_EVERY_S` of it.

    One task checks all of them, because a timer for each (`asyncio.timeout`) costs 9 µs: a tenth
    of what it takes to show a window. `when_done` gets how long each took, without the time of
    its client.
    """

    def __init__(self, time_s: float, when_done: Callable[[float], None]) -> None:
        self._time_s = time_s
        self._when_done = when_done
        self._due_s: dict[_Task, float] = {}
        self._overdue: set[_Task] = set()

    async def keep(self, request: Request, work: Awaitable[Response]) -> Response:
        """Return what the work returns, if it ends in time.

        Raises:
            StoreUnavailable: it did not, and would have changed nothing.
            OutcomeUnknown: it did not, and may have changed something.
        """
        task = asyncio.current_task()
        # The loop's clock stands still during a turn: time spent waiting for earlier tasks counts.
        self._due_s[task] = asyncio.get_running_loop().time() + self._time_s
        try:
            return await work
        except asyncio.CancelledError:
            if task is None or task not in self._overdue or task.uncancel() > 0:
                # Something else has cancelled it, too.
                raise
            changes_nothing = request.method in _CHANGES_NOTHING
            raise StoreUnavailable if changes_nothing else OutcomeUnknown from None
        finally:
            due_s = self._due_s.pop(task)
            self._overdue.discard(task)
            if due_s < math.inf:
                self._when_done(time.monotonic() - due_s + self._time_s)

    def lift(self) -> None:
        """Let this request take as long as its client, a model or its amount of work requires."""
        self._put_off(math.inf)

    def restart(self) -> None:
        """Count the time of this request from now on."""
        self._put_off(time.monotonic() + self._time_s)

    def _put_off(self, due_s: float) -> None:
        task = asyncio.current_task()
        # A stream goes on after its request has its response.
        if task in self._due_s:
            self._due_s[task] = due_s

    async def watch(self) -> None:
        """Look for overdue requests until this is cancelled."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            now_s = time.monotonic()
            for task, due_s in self._due_s.items():
                if task is not None and due_s <= now_s and task not in self._overdue:
                    self._overdue.add(task)
                    task.cancel()
