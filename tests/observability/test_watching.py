"""Store, driver, cache and model are measured."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

import pytest

from config.settings import Settings
from service.domain.chat.completion import Completion, Delta, ModelSettings
from service.domain.errors import ModelFailed, ModelTimeout, StoreUnavailable
from service.domain.models import Message, NewMessage, Role, Usage, utc_now
from service.observability.configured import observer_for
from service.observability.health import Readiness
from service.observability.watching import (
    MeasuredDriver,
    MeasuredModel,
    Sampler,
    count_key_set,
    measured_batch,
    measured_sweep,
)
from service.signals import APPEND, CREATE, READ_HEADS, Batch
from tests.observability.samples import sample

ANSWER = Completion(
    message=Message(role=Role.ASSISTANT, content="Paris"),
    finish_reason="stop",
    usage=Usage(prompt_tokens=7, completion_tokens=3),
)
SETTINGS = ModelSettings()


@dataclass
class Cache:
    hits: int = 0
    misses: int = 0
    size_bytes: int = 0


@dataclass
class Queue:
    appends_waiting: int = 0
    heads_behind: int = 0


@dataclass
class Backlog:
    """Sweeps this many at a time; after them, the database is away."""

    batches: list[int]

    async def sweep(self, *, begun_before: datetime) -> int:
        if not self.batches:
            raise StoreUnavailable
        return self.batches.pop(0)


@dataclass
class Model:
    """Completes, or fails with the given error."""

    failure: Exception | None = None
    pieces: list[Delta | Completion] = field(default_factory=lambda: ["Par", "is", ANSWER])

    async def complete(self, prompt: Sequence[NewMessage], settings: ModelSettings) -> Completion:
        if self.failure:
            raise self.failure
        return ANSWER

    async def stream(
        self, prompt: Sequence[NewMessage], settings: ModelSettings
    ) -> AsyncGenerator[Delta | Completion, None]:
        for piece in self.pieces:
            yield piece


def calls(outcome: str) -> float:
    return sample("sessions_model_calls_total", outcome=outcome)


def tokens() -> tuple[float, float]:
    name = "sessions_model_tokens_total"
    return sample(name, kind="prompt"), sample(name, kind="completion")


def test_a_batch_is_measured_by_its_messages_waits_and_time() -> None:
    names = [
        "sessions_append_batch_size_sum",
        "sessions_append_queue_wait_seconds_count",
        "sessions_append_queue_wait_seconds_sum",
        "sessions_append_commit_seconds_count",
    ]
    before = [sample(name) for name in names]

    with measured_batch(Batch(APPEND, messages=5, waits_s=[0.25, 0.5], askers=[])):
        pass

    after = [sample(name) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [5, 2, 0.75, 1]


@pytest.mark.parametrize("kind", [CREATE, READ_HEADS])
def test_other_kinds_of_batches_are_not_counted_as_appends(kind: str) -> None:
    before = sample("sessions_append_commit_seconds_count")

    with measured_batch(Batch(kind, messages=0, waits_s=[0.25], askers=[])):
        pass

    assert sample("sessions_append_commit_seconds_count") == before


def test_a_batch_that_fails_is_measured_too() -> None:
    before = sample("sessions_append_commit_seconds_count")

    with suppress(ModelFailed), measured_batch(Batch(APPEND, messages=1, waits_s=[], askers=[])):
        raise ModelFailed("for once")

    assert sample("sessions_append_commit_seconds_count") == before + 1


def test_commands_are_measured_by_their_names() -> None:
    name = "sessions_mongo_command_duration_seconds"
    before = sample(f"{name}_sum", command="find")

    MeasuredDriver().command_ended("find", 0.5, failed=True)

    assert sample(f"{name}_sum", command="find") - before == pytest.approx(0.5)


def test_connections_are_counted_by_state() -> None:
    name = "sessions_mongo_pool_connections"
    before = sample(name, state="idle"), sample(name, state="in_use")

    MeasuredDriver().connections_changed(idle=3, in_use=-2)

    after = sample(name, state="idle"), sample(name, state="in_use")
    assert (after[0] - before[0], after[1] - before[1]) == (3, -2)


@pytest.mark.parametrize(("fetched", "outcome"), [(True, "fetched"), (False, "failed")])
def test_fetches_of_key_sets_are_counted_by_their_outcome(fetched: bool, outcome: str) -> None:  # noqa: FBT001
    before = sample("sessions_key_set_fetches_total", outcome=outcome)

    count_key_set(fetched=fetched)

    assert sample("sessions_key_set_fetches_total", outcome=outcome) == before + 1


async def test_a_sweep_goes_on_until_nothing_is_left() -> None:
    left, swept = Backlog([100, 100, 7, 0]), sample("sessions_swept_total")
    began_s = time.time()

    await measured_sweep(left, begun_before=utc_now())

    assert left.batches == []
    assert sample("sessions_swept_total") == swept + 207
    assert sample("sessions_last_sweep_timestamp_seconds") >= began_s


async def test_a_failed_sweep_is_not_counted_as_finished() -> None:
    before = sample("sessions_last_sweep_timestamp_seconds")

    with pytest.raises(StoreUnavailable):
        await measured_sweep(Backlog([]), begun_before=utc_now())

    assert sample("sessions_last_sweep_timestamp_seconds") == before


def test_the_limit_of_the_pool_is_shown() -> None:
    observer_for(Settings(_env_file=None, mongo_max_pool=17))

    assert sample("sessions_mongo_pool_limit") == 17


async def test_the_sampler_counts_the_tasks_of_its_loop() -> None:
    sampling = asyncio.create_task(Sampler(Queue(), Cache(), Readiness()).run())

    await asyncio.sleep(0)
    sampling.cancel()

    assert sample("sessions_tasks") == len(asyncio.all_tasks())


def test_samples_show_the_queue_and_the_cache_as_they_are() -> None:
    sampler = Sampler(Queue(12), Cache(size_bytes=3000), Readiness())

    sampler.sample()

    assert sample("sessions_append_queue_depth") == 12
    assert sample("sessions_cache_bytes") == 3000
    assert sample("sessions_ready") == 0


def test_samples_count_each_hit_and_miss_once() -> None:
    cache = Cache()
    sampler = Sampler(Queue(), cache, Readiness())
    names = ["sessions_cache_hits_total", "sessions_cache_misses_total"]
    seen = [[sample(name) for name in names]]

    for cache.hits, cache.misses in [(5, 1), (7, 1), (7, 4)]:
        sampler.sample()
        seen.append([sample(name) for name in names])

    steps = [[b - a for a, b in zip(one, two, strict=True)] for one, two in pairwise(seen)]
    assert steps == [[5, 1], [2, 0], [0, 3]]


async def test_a_completion_is_counted_with_its_tokens() -> None:
    before = calls("answered"), tokens()

    assert await MeasuredModel(Model()).complete([], SETTINGS) == ANSWER

    assert calls("answered") == before[0] + 1
    assert tokens() == (before[1][0] + 7, before[1][1] + 3)


async def test_a_streamed_completion_is_counted_with_its_tokens() -> None:
    before = calls("answered"), tokens()

    pieces = [piece async for piece in MeasuredModel(Model()).stream([], SETTINGS)]

    assert pieces == ["Par", "is", ANSWER]
    assert calls("answered") == before[0] + 1
    assert tokens() == (before[1][0] + 7, before[1][1] + 3)


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [(ModelFailed("gave up"), "failed"), (ModelTimeout(5), "timeout")],
    ids=["failed", "timeout"],
)
async def test_a_failure_is_counted_by_its_kind(failure: Exception, outcome: str) -> None:
    before = calls(outcome)

    with pytest.raises(type(failure)):
        await MeasuredModel(Model(failure)).complete([], SETTINGS)

    assert calls(outcome) == before + 1


async def test_a_stream_that_is_closed_early_is_counted_as_abandoned() -> None:
    before = calls("abandoned"), calls("failed")

    async with aclosing(MeasuredModel(Model()).stream([], SETTINGS)) as pieces:
        await anext(pieces)

    assert (calls("abandoned"), calls("failed")) == (before[0] + 1, before[1])


async def test_the_sampler_keeps_sampling() -> None:
    # A counter adds up: another sampler of this process, such as an app's, does not hide it.
    cache, before = Cache(), sample("sessions_cache_hits_total")
    running = asyncio.create_task(Sampler(Queue(), cache, Readiness()).run())
    await asyncio.sleep(0.1)
    cache.hits = 77

    await asyncio.sleep(1.5)

    running.cancel()
    assert sample("sessions_cache_hits_total") >= before + 77
