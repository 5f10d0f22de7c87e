"""A supervisor does not go on when the work cannot be begun."""

from multiprocessing.connection import Connection

import pytest

from service.supervisor import Supervisor, WorkerFailed


def fail(given: object, ready: Connection) -> None:
    """End before the work has begun, as a process of its own."""


async def test_a_worker_that_ends_before_it_is_ready_ends_all() -> None:
    ended: list[int] = []
    said: list[str] = []
    supervisor = Supervisor(fail, None, count=2, stop_timeout_s=5, when_ended=ended.append)

    with pytest.raises(WorkerFailed):
        await supervisor.run(lambda: said.append("ready"))

    assert said == []
    assert len(ended) == 2
