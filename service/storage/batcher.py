"""Requests that come at the same time share a batch, and with it the cost of one database call.

No timer is involved. An idle batcher starts immediately; what is submitted while a batch is
under way forms the next one.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import Context, copy_context
from typing import Generic, TypeVar

from service.domain.errors import DomainError, OutcomeUnknown, StoreBusy, StoreUnavailable
from service.signals import Batch

Item = TypeVar("Item")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)


class Pending(Generic[Item, Result]):
    """One request in a batch; `resolve` or `refuse` it exactly once, or not at all."""

    def __init__(self, item: Item, size_bytes: int) -> None:
        self.item = item
        self.size_bytes = size_bytes
        self.submitted_s = time.monotonic()
        self.context = copy_context()
        self.future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def resolve(self, result: Result) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def refuse(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Batcher(Generic[Item, Result]):
    """Hands requests to `commit` in batches, in their order and one batch at a time.

    A batch holds at most `max_batch` requests and about `max_batch_bytes`. What is submitted
    while a batch is under way gets into a later one, so `commit` begins after every one
    of its requests. When it raises, all that it has not resolved get that error, and
    the queue is refused because the database is away.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Pending[Item, Result]]], Awaitable[None]],
        *,
        max_batch: int,
        max_batch_bytes: int,
        max_queue: int,
        deadline_s: float,
    ) -> None:
        self._commit = commit
        self._max_batch = max_batch
        self._max_batch_bytes = max_batch_bytes
        self._max_queue = max_queue
        self._deadline_s = deadline_s
        self._queue: deque[Pending[Item, Result]] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def submit(self, item: Item, size_bytes: int = 0) -> Result:
        """Return the result that the batch has for this item.

        Raises:
            StoreBusy: the queue is full; nothing was done.
            StoreUnavailable: the deadline passed in the queue; nothing was done.
            OutcomeUnknown: the deadline passed in a batch.
        """
        if len(self._queue) >= self._max_queue:
            raise StoreBusy
        request: Pending[Item, Result] = Pending(item, size_bytes)
        self._queue.append(request)
        if self._task is None:
            # A batch belongs to all submitted to it, so to the context of none of them.
            self._task = asyncio.create_task(self._run(), context=Context())
        loop = asyncio.get_running_loop()
        deadline = loop.call_later(self._deadline_s, self._expire, request)
        try:
            # A caller that hangs up cancels its own wait, and leaves the batch alone.
            return await request.future
        finally:
            deadline.cancel()

    def _expire(self, request: Pending[Item, Result]) -> None:
        if request in self._queue:
            self._queue.remove(request)
            request.refuse(StoreUnavailable())
        else:
            request.refuse(OutcomeUnknown())

    async def drain(self) -> None:
        """Return when all submitted items are resolved, also those of callers that have gone."""
        while self._task and not self._task.done():
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._commit_one(self._next_batch())
        finally:
            self._task = None

    def _next_batch(self) -> list[Pending[Item, Result]]:
        batch = [self._queue.popleft()]
        size_bytes = batch[0].size_bytes
        while self._queue and len(batch) < self._max_batch:
            size_bytes += self._queue[0].size_bytes
            if size_bytes > self._max_batch_bytes:
                break
            batch.append(self._queue.popleft())
        return batch

    async def _commit_one(self, batch: list[Pending[Item, Result]]) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._commit(batch)
        except StoreUnavailable as error:
            # Those that wait for a database that is away need not wait for the next timeout.
            _refuse(batch, error)
            _refuse(self._queue, StoreUnavailable())
            self._queue.clear()
        except TimeoutError:
            _refuse(batch, OutcomeUnknown())
        except Exception:
            # A mistake of ours must not leave the callers waiting, nor end the batcher.
            logger.exception("a batch failed")
            _refuse(batch, OutcomeUnknown())


def batch_of(kind: str, requests: Sequence[Pending[Item, Result]], *, messages: int = 0) -> Batch:
    """Return what may be watched of these requests."""
    now_s = time.monotonic()
    waits_s = [now_s - request.submitted_s for request in requests]
    return Batch(kind, messages, waits_s, [request.context for request in requests])


def _refuse(requests: Iterable[Pending[Item, Result]], error: DomainError) -> None:
    for request in requests:
        request.refuse(error)
