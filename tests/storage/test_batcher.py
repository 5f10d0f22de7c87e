"""Gathering: which requests share a batch, and the outcome of each."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from service.domain.errors import OutcomeUnknown, SessionNotFound, StoreBusy, StoreUnavailable
from service.storage.batcher import Batcher, Pending

Work = Callable[[Sequence[Pending[str, str]]], Awaitable[None]]

asker: ContextVar[str] = ContextVar("asker", default="nobody")


class Batches:
    """Answers each request in capitals once it is allowed to; remembers the batches."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def __call__(self, requests: Sequence[Pending[str, str]]) -> None:
        self.seen.append("".join(request.item for request in requests))
        await self.may_go_on.wait()
        for request in requests:
            request.resolve(request.item.upper())

    def hold(self) -> None:
        self.may_go_on.clear()

    def release(self) -> None:
        self.may_go_on.set()


@pytest.fixture
def batches() -> Batches:
    return Batches()


def batcher_of(commit: Work, **limits: Any) -> Batcher[str, str]:
    usual: dict[str, Any] = {
        "max_batch": 100,
        "max_batch_bytes": 1000,
        "max_queue": 100,
        "deadline_s": 5,
    }
    return Batcher(commit, **usual | limits)


async def begin(batcher: Batcher[str, str], asked: str, **options: Any) -> list[Any]:
    """Pending each letter; return the tasks once all are requested and a batch has begun."""
    tasks = [asyncio.create_task(batcher.submit(letter, **options)) for letter in asked]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def answers_of(tasks: Sequence[Any]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_idle_gatherer_answers_without_waiting_for_more_requests(
    batches: Batches,
) -> None:
    assert await batcher_of(batches).submit("a") == "A"


async def test_requests_at_the_same_time_share_a_batch(batches: Batches) -> None:
    tasks = await begin(batcher_of(batches), "abc")

    assert await answers_of(tasks) == ["A", "B", "C"]
    assert batches.seen == ["abc"]


async def test_requests_during_a_batch_are_in_the_next_one(batches: Batches) -> None:
    batcher = batcher_of(batches)
    batches.hold()

    tasks = [*await begin(batcher, "ab"), *await begin(batcher, "cd")]
    batches.release()

    assert await answers_of(tasks) == ["A", "B", "C", "D"]
    assert batches.seen == ["ab", "cd"]


async def test_a_batch_holds_a_limited_number_of_requests_and_keeps_the_order_of_the_rest(
    batches: Batches,
) -> None:
    tasks = await begin(batcher_of(batches, max_batch=3), "abcdefgh")

    await answers_of(tasks)

    assert batches.seen == ["abc", "def", "gh"]


async def test_a_batch_holds_a_limited_number_of_bytes(batches: Batches) -> None:
    tasks = await begin(batcher_of(batches, max_batch_bytes=100), "abcde", size_bytes=50)

    await answers_of(tasks)

    assert batches.seen == ["ab", "cd", "e"]


async def test_a_request_larger_than_a_batch_goes_alone(batches: Batches) -> None:
    tasks = await begin(batcher_of(batches, max_batch_bytes=100), "ab", size_bytes=101)

    assert await answers_of(tasks) == ["A", "B"]
    assert batches.seen == ["a", "b"]


async def test_a_full_queue_refuses_immediately_and_never_commits_what_it_refused(
    batches: Batches,
) -> None:
    batcher = batcher_of(batches, max_queue=2)
    batches.hold()
    tasks = [*await begin(batcher, "a"), *await begin(batcher, "bc")]

    with pytest.raises(StoreBusy):
        await batcher.submit("d")

    batches.release()
    assert await answers_of(tasks) == ["A", "B", "C"]
    assert batches.seen == ["a", "bc"]


async def test_a_queue_accepts_requests_again_after_it_was_full(batches: Batches) -> None:
    batcher = batcher_of(batches, max_queue=1)
    await answers_of(await begin(batcher, "abc"))

    assert await batcher.submit("d") == "D"


async def test_a_caller_that_hangs_up_does_not_end_the_batch_of_the_others(
    batches: Batches,
) -> None:
    batcher = batcher_of(batches)
    batches.hold()
    tasks = await begin(batcher, "abc")

    tasks[1].cancel()
    await asyncio.sleep(0)
    batches.release()

    answers = await answers_of(tasks)
    assert [answers[0], answers[2]] == ["A", "C"]
    assert isinstance(answers[1], asyncio.CancelledError)


async def test_a_deadline_that_passes_in_the_queue_withdraws_the_request(
    batches: Batches,
) -> None:
    batcher = batcher_of(batches, deadline_s=0.2, max_batch=1)
    batches.hold()

    first, second = await answers_of(await begin(batcher, "ab"))

    assert (type(first), type(second)) == (OutcomeUnknown, StoreUnavailable)
    assert batches.seen == ["a"]


async def test_a_batch_that_does_not_end_in_time_is_abandoned_for_the_next_one(
    batches: Batches,
) -> None:
    batcher = batcher_of(batches, deadline_s=0.1)
    batches.hold()
    await answers_of(await begin(batcher, "a"))

    batches.release()

    assert await batcher.submit("b") == "B"


async def test_one_request_is_refused_while_others_are_answered() -> None:
    async def commit(requests: Sequence[Pending[str, str]]) -> None:
        for request in requests:
            if request.item == "b":
                request.refuse(SessionNotFound())
            else:
                request.resolve(request.item)

    answers = await answers_of(await begin(batcher_of(commit), "abc"))

    assert [type(answer) for answer in answers] == [str, SessionNotFound, str]


@pytest.mark.parametrize("error", [StoreUnavailable, OutcomeUnknown])
async def test_an_unreachable_database_fails_the_batch_and_all_requests_waiting_after_it(
    error: type[StoreUnavailable],
) -> None:
    begun: list[str] = []

    async def commit(requests: Sequence[Pending[str, str]]) -> None:
        begun.extend(request.item for request in requests)
        await asyncio.sleep(0)
        raise error

    answers = await answers_of(await begin(batcher_of(commit, max_batch=1), "abc"))

    assert [type(answer) for answer in answers] == [error, StoreUnavailable, StoreUnavailable]
    assert begun == ["a"]


async def test_responses_given_before_the_database_went_away_stand() -> None:
    async def commit(requests: Sequence[Pending[str, str]]) -> None:
        requests[0].resolve("A")
        raise OutcomeUnknown

    answers = await answers_of(await begin(batcher_of(commit), "ab"))

    assert answers[0] == "A"
    assert isinstance(answers[1], OutcomeUnknown)


async def test_a_bug_in_a_batch_leaves_its_outcome_unknown_and_ends_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def commit(requests: Sequence[Pending[str, str]]) -> None:
        for request in requests:
            request.resolve(str(1 // int(request.item)))

    with caplog.at_level(logging.CRITICAL):
        answers = await answers_of(await begin(batcher_of(commit, max_batch=1), "10101"))

    assert [answers[0], answers[2], answers[4]] == ["1", "1", "1"]
    assert {type(answers[1]), type(answers[3])} == {OutcomeUnknown}


async def test_a_batch_runs_in_the_context_of_none_of_its_callers() -> None:
    async def commit(requests: Sequence[Pending[str, str]]) -> None:
        for request in requests:
            request.resolve(f"{asker.get()} for {request.context[asker]}")

    token = asker.set("alice")
    answer = await batcher_of(commit).submit("a")
    asker.reset(token)

    assert answer == "nobody for alice"


async def test_draining_waits_for_the_whole_queue_including_callers_that_hung_up(
    batches: Batches,
) -> None:
    batcher = batcher_of(batches, max_batch=1)
    batches.hold()
    for task in await begin(batcher, "abc"):
        task.cancel()

    draining = asyncio.create_task(batcher.drain())
    await asyncio.sleep(0)
    was_waiting = not draining.done()
    batches.release()
    await draining

    assert was_waiting
    assert batches.seen == ["a", "b", "c"]


async def test_draining_an_idle_gatherer_returns_immediately(batches: Batches) -> None:
    batcher = batcher_of(batches)
    await batcher.submit("a")

    async with asyncio.timeout(1):
        await batcher.drain()

    assert batcher.waiting == 0
