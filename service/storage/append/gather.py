"""Requests that come at the same time share one call: the cost of a call is the cost of a request.

Nobody waits for a timer. An idle gatherer starts at once; what comes while a batch is
under way goes out together as the next one.
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

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)


class Request(Generic[Asked, Answer]):
    """One request in a batch; `answer` or `refuse` it exactly once, or not at all."""

    def __init__(self, asked: Asked, size_bytes: int) -> None:
        self.asked = asked
        self.size_bytes = size_bytes
        self.asked_s = time.monotonic()
        self.asker = copy_context()
        self.future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answer(self, answer: Answer) -> None:
        if not self.future.done():
            self.future.set_result(answer)

    def refuse(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Gatherer(Generic[Asked, Answer]):
    """Hands requests to `commit` in batches, in their order and one batch at a time.

    A batch holds at most `max_batch` requests and about `max_batch_bytes`. Whoever asks
    while a batch is under way gets into a later one, so `commit` begins after every one
    of its requests. When it raises, that is the answer to all it has not answered, and
    the queue is told that the database is away.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Request[Asked, Answer]]], Awaitable[None]],
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
        self._queue: deque[Request[Asked, Answer]] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def ask(self, asked: Asked, size_bytes: int = 0) -> Answer:
        """Return what the batch answers.

        Raises:
            StoreBusy: the queue is full; nothing was done.
            StoreUnavailable: the deadline passed in the queue; nothing was done.
            OutcomeUnknown: the deadline passed in a batch.
        """
        if len(self._queue) >= self._max_queue:
            raise StoreBusy
        request: Request[Asked, Answer] = Request(asked, size_bytes)
        self._queue.append(request)
        if self._task is None:
            # A batch belongs to all who asked, so to the context of none of them.
            self._task = asyncio.create_task(self._run(), context=Context())
        loop = asyncio.get_running_loop()
        deadline = loop.call_later(self._deadline_s, self._expire, request)
        try:
            # A caller that hangs up cancels its own answer, and leaves the batch alone.
            return await request.future
        finally:
            deadline.cancel()

    def _expire(self, request: Request[Asked, Answer]) -> None:
        if request in self._queue:
            self._queue.remove(request)
            request.refuse(StoreUnavailable())
        else:
            request.refuse(OutcomeUnknown())

    async def drain(self) -> None:
        """Return when everybody who asked has been answered, also those who hung up."""
        while self._task and not self._task.done():
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._commit_one(self._next_batch())
        finally:
            self._task = None

    def _next_batch(self) -> list[Request[Asked, Answer]]:
        batch = [self._queue.popleft()]
        size_bytes = batch[0].size_bytes
        while self._queue and len(batch) < self._max_batch:
            size_bytes += self._queue[0].size_bytes
            if size_bytes > self._max_batch_bytes:
                break
            batch.append(self._queue.popleft())
        return batch

    async def _commit_one(self, batch: list[Request[Asked, Answer]]) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._commit(batch)
        except StoreUnavailable as error:
            # Who waits behind a database that is away need not wait for the next timeout.
            _refuse(batch, error)
            _refuse(self._queue, StoreUnavailable())
            self._queue.clear()
        except TimeoutError:
            _refuse(batch, OutcomeUnknown())
        except Exception:
            # A mistake of ours must not leave the callers waiting, nor end the gatherer.
            logger.exception("a batch failed")
            _refuse(batch, OutcomeUnknown())


def batch_of(kind: str, requests: Sequence[Request[Asked, Answer]], *, messages: int = 0) -> Batch:
    """Return what may be watched of these requests."""
    now_s = time.monotonic()
    waits_s = [now_s - request.asked_s for request in requests]
    return Batch(kind, messages, waits_s, [request.asker for request in requests])


def _refuse(requests: Iterable[Request[Asked, Answer]], error: DomainError) -> None:
    for request in requests:
        request.refuse(error)
