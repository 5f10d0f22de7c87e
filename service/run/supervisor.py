"""Keeps several processes at the same work, and restarts those that die."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any

# Forking a process with threads and an event loop copies them in an arbitrary state.
SPAWN = get_context("spawn")
RESTART_PAUSE_S = 1
STOP_MARGIN_S = 5
Work = Callable[[Any, Connection], None]
STOPS = (signal.SIGTERM, signal.SIGINT)

logger = logging.getLogger(__name__)


class WorkerFailed(Exception):
    """A process ended before it was ready for the first time."""

    def __init__(self) -> None:
        super().__init__("A worker ended before it listened; it has said why above.")


class _Worker:
    def __init__(self, work: Work, given: Any) -> None:
        self._ready, writer = SPAWN.Pipe(duplex=False)
        self.process = SPAWN.Process(target=work, args=(given, writer), daemon=True)
        self.process.start()
        writer.close()

    async def ready(self) -> None:
        await _readable(self._ready.fileno())
        try:
            self._ready.recv()
        except EOFError:
            raise WorkerFailed from None

    async def ended(self) -> None:
        await _readable(self.process.sentinel)

    def close(self) -> None:
        self._ready.close()
        self.process.join()
        self.process.close()


class Supervisor:
    """Runs `work(given, ready)` in `count` processes; each sends None through `ready`.

    A signal to stop goes to all; processes still running after `stop_timeout_s` are killed.
    """

    def __init__(
        self,
        work: Work,
        given: Any,
        *,
        count: int,
        stop_timeout_s: float,
        when_ended: Callable[[int], None],
    ) -> None:
        self._work = work
        self._given = given
        self._count = count
        self._stop_timeout_s = stop_timeout_s
        self._when_ended = when_ended
        self._workers: set[_Worker] = set()

    async def run(self, when_ready: Callable[[], None]) -> None:
        """Return after a signal to stop, once all processes have ended.

        Raises:
            WorkerFailed: one ended before it was ready for the first time.
        """
        with _stop_signal() as stopped:
            keeping = asyncio.create_task(self._keep_all(when_ready))
            try:
                await asyncio.wait({stopped, keeping}, return_when=asyncio.FIRST_COMPLETED)
                if keeping.done():
                    keeping.result()
            finally:
                keeping.cancel()
                await asyncio.wait({keeping})
                await self._stop_all()

    async def _keep_all(self, when_ready: Callable[[], None]) -> None:
        workers = [self._start() for _ in range(self._count)]
        await _all(worker.ready() for worker in workers)
        when_ready()
        await _all(self._keep(worker) for worker in workers)

    async def _keep(self, worker: _Worker) -> None:
        while True:
            await worker.ended()
            logger.error("worker %s ended; starting another", worker.process.pid)
            self._forget(worker)
            await asyncio.sleep(RESTART_PAUSE_S)
            worker = self._start()

    def _start(self) -> _Worker:
        worker = _Worker(self._work, self._given)
        self._workers.add(worker)
        return worker

    def _forget(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        if worker.process.pid is not None:
            self._when_ended(worker.process.pid)
        worker.close()

    async def _stop_all(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._stop_timeout_s + STOP_MARGIN_S):
                await asyncio.gather(*(worker.ended() for worker in self._workers))
        for worker in list(self._workers):
            worker.process.kill()
            self._forget(worker)


def stop_with_parent() -> None:
    """Make this process stop, as on a signal, when the one that started it has died."""
    parent = parent_process()
    if parent is not None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.remove_reader(parent.sentinel)
            os.kill(os.getpid(), signal.SIGTERM)

        loop.add_reader(parent.sentinel, stop)


def report_ready(ready: Connection) -> None:
    ready.send(None)
    ready.close()


@contextmanager
def _stop_signal() -> Iterator[asyncio.Future[None]]:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()
    for stop in STOPS:
        loop.add_signal_handler(stop, _settle, stopped)
    try:
        yield stopped
    finally:
        for stop in STOPS:
            loop.remove_signal_handler(stop)


async def _all(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of them. If one fails, the others are cancelled, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for coroutine in coroutines:
                tasks.create_task(coroutine)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _readable(file: int) -> None:
    loop = asyncio.get_running_loop()
    seen: asyncio.Future[None] = loop.create_future()
    loop.add_reader(file, _settle, seen)
    try:
        await seen
    finally:
        loop.remove_reader(file)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
