"""Metrics for the store, the driver and the model, which do not depend on metrics."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import datetime
from typing import Protocol

from service.domain.chat.completion import Completion, Delta, ModelSettings
from service.domain.errors import ModelTimeout
from service.domain.models import NewMessage, Usage
from service.domain.ports import ChatModel
from service.observability.health import Readiness
from service.observability.metrics import (
    APPEND_BATCH_SIZE,
    APPEND_COMMIT_S,
    APPEND_QUEUE_DEPTH,
    APPEND_QUEUE_WAIT_S,
    CACHE_BYTES,
    CACHE_HITS,
    CACHE_MISSES,
    HEAD_LAG_S,
    HEADS_BEHIND,
    KEY_SET_FETCHES,
    LAST_SWEEP_S,
    MODEL_CALLS,
    MODEL_TOKENS,
    MONGO_COMMAND_S,
    MONGO_CONNECTIONS,
    READY,
    SWEPT,
    TASKS,
)
from service.signals import APPEND, MOVE_HEADS, Batch

SAMPLE_INTERVAL_S = 1


class Queue(Protocol):
    @property
    def appends_waiting(self) -> int: ...

    @property
    def heads_behind(self) -> int: ...


class Sweepable(Protocol):
    async def sweep(self, *, begun_before: datetime) -> int: ...


class Cache(Protocol):
    hits: int
    misses: int
    size_bytes: int


@contextmanager
def measured_batch(batch: Batch) -> Iterator[None]:
    """Measure appends and moves of heads; metrics of requests and commands show the rest."""
    began_s = time.perf_counter()
    if batch.kind == MOVE_HEADS:
        yield
        HEAD_LAG_S.observe(sum(batch.waits_s) + time.perf_counter() - began_s)
        return
    if batch.kind != APPEND:
        yield
        return
    APPEND_BATCH_SIZE.observe(batch.messages)
    for wait_s in batch.waits_s:
        APPEND_QUEUE_WAIT_S.observe(wait_s)
    try:
        yield
    finally:
        APPEND_COMMIT_S.observe(time.perf_counter() - began_s)


class MeasuredDriver:
    """Observes commands and connections; the driver's threads may call it."""

    def __init__(self) -> None:
        self._idle = MONGO_CONNECTIONS.labels("idle")
        self._in_use = MONGO_CONNECTIONS.labels("in_use")

    def command_ended(self, name: str, duration_s: float, *, failed: bool) -> None:  # noqa: ARG002
        MONGO_COMMAND_S.labels(name).observe(duration_s)

    def connections_changed(self, *, idle: int = 0, in_use: int = 0) -> None:
        self._idle.inc(idle)
        self._in_use.inc(in_use)


def count_key_set(*, fetched: bool) -> None:
    KEY_SET_FETCHES.labels("fetched" if fetched else "failed").inc()


async def measured_sweep(store: Sweepable, *, begun_before: datetime) -> None:
    """Sweep until nothing is left to do."""
    while swept := await store.sweep(begun_before=begun_before):
        SWEPT.inc(swept)
    LAST_SWEEP_S.set_to_current_time()


class Sampler:
    """Samples once a second what changes too often to report every change."""

    def __init__(self, queue: Queue, cache: Cache, readiness: Readiness) -> None:
        self._queue = queue
        self._cache = cache
        self._readiness = readiness
        self._hits = self._misses = 0

    async def run(self) -> None:
        while True:
            self.sample()
            TASKS.set(len(asyncio.all_tasks()))
            await asyncio.sleep(SAMPLE_INTERVAL_S)

    def sample(self) -> None:
        APPEND_QUEUE_DEPTH.set(self._queue.appends_waiting)
        HEADS_BEHIND.set(self._queue.heads_behind)
        CACHE_BYTES.set(self._cache.size_bytes)
        READY.set(not self._readiness.failed())
        hits, misses = self._cache.hits, self._cache.misses
        CACHE_HITS.inc(hits - self._hits)
        CACHE_MISSES.inc(misses - self._misses)
        self._hits, self._misses = hits, misses


class MeasuredModel:
    """A chat model whose calls and tokens are counted."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model

    async def complete(self, prompt: Sequence[NewMessage], settings: ModelSettings) -> Completion:
        with _counted_call():
            completion = await self._model.complete(prompt, settings)
            _count_tokens(completion.usage)
            return completion

    async def stream(
        self, prompt: Sequence[NewMessage], settings: ModelSettings
    ) -> AsyncGenerator[Delta | Completion, None]:
        with _counted_call():
            async with aclosing(self._model.stream(prompt, settings)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Completion):
                        _count_tokens(piece.usage)
                    yield piece


@contextmanager
def _counted_call() -> Iterator[None]:
    outcome = "abandoned"
    try:
        yield
        outcome = "answered"
    except ModelTimeout:
        outcome = "timeout"
        raise
    except Exception:
        outcome = "failed"
        raise
    finally:
        MODEL_CALLS.labels(outcome).inc()


def _count_tokens(usage: Usage) -> None:
    MODEL_TOKENS.labels("prompt").inc(usage.prompt_tokens)
    MODEL_TOKENS.labels("completion").inc(usage.completion_tokens)
