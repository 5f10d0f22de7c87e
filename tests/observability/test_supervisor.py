"""A supervisor gives up when the work cannot start."""

import asyncio
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from service.run import supervisor
from service.run.supervisor import Supervisor, WorkerFailed


def fail(given: object, ready: Connection) -> None:
    """End before the work has started, in its own process."""


def fail_alone(file: Path, ready: Connection) -> None:
    """End immediately if it is the first one here; else keep running without being ready."""
    try:
        file.touch(exist_ok=False)
    except FileExistsError:
        time.sleep(60)


class SeenStopping(Supervisor):
    """Records its own tasks that exist when it begins to stop its processes."""

    async def _stop_all(self) -> None:
        self.tasks = {task for task in asyncio.all_tasks() if _is_of_a_supervisor(task)}
        await super()._stop_all()


def _is_of_a_supervisor(task: asyncio.Task[Any]) -> bool:
    coroutine: Any = task.get_coro()
    return coroutine is not None and coroutine.cr_code.co_filename == supervisor.__file__


async def test_waiting_for_the_workers_ends_when_one_has_failed(tmp_path: Path) -> None:
    seen = SeenStopping(
        fail_alone, tmp_path / "first", count=2, stop_timeout_s=5, when_ended=lambda _: None
    )

    with pytest.raises(WorkerFailed):
        await seen.run(lambda: None)

    assert seen.tasks == set()


async def test_all_workers_end_when_one_ends_before_it_is_ready() -> None:
    ended: list[int] = []
    said: list[str] = []
    workers = Supervisor(fail, None, count=2, stop_timeout_s=5, when_ended=ended.append)

    with pytest.raises(WorkerFailed):
        await workers.run(lambda: said.append("ready"))

    assert said == []
    assert len(ended) == 2
