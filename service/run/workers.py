"""The service in one process, or in several that share its port and add up their metrics."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import uvloop

from config.settings import Settings, share_metrics_in
from service.app import SessionService
from service.observability.logs import write_logs
from service.observability.metrics import forget_process
from service.observability.port import metrics_on
from service.run.server import serve_on
from service.run.supervisor import Supervisor, report_ready, stop_with_parent


class MetricsPortTaken(Exception):
    def __init__(self, settings: Settings, cause: OSError) -> None:
        super().__init__(
            f"Cannot listen on {settings.host} port {settings.metrics_port}: {cause.strerror}. "
            "Set SESSIONS_METRICS_PORT."
        )


class _Work(NamedTuple):
    """What each process needs to know."""

    listener: socket.socket
    settings: Settings
    metrics_folder: Path
    demo: bool


async def serve_with(
    workers: int,
    listener: socket.socket,
    settings: Settings,
    *,
    when_listening: Callable[[], None],
    demo: bool,
) -> None:
    """Serve until a signal says to stop, and all requests in flight have ended.

    Raises:
        MetricsPortTaken: a metrics port is set, but the process cannot listen on it.
        WorkerFailed: one of several processes did not get to listen.
    """
    if workers > 1:
        await _serve_in_workers(workers, listener, settings, when_listening, demo=demo)
        return
    with _metrics(settings, None):
        await serve_on(listener, settings, when_listening=when_listening, demo=demo)


async def _serve_in_workers(
    count: int,
    listener: socket.socket,
    settings: Settings,
    when_listening: Callable[[], None],
    *,
    demo: bool,
) -> None:
    write_logs(settings.log_level)
    # A problem with the settings is reported once, here, and not by every worker.
    SessionService(settings)
    with TemporaryDirectory(prefix="session-service-metrics-") as name:
        folder = Path(name)
        share_metrics_in(folder)
        supervisor = Supervisor(
            _work,
            _Work(listener, settings, folder, demo),
            count=count,
            stop_timeout_s=settings.drain_s + settings.shutdown_timeout_s,
            when_ended=lambda pid: forget_process(folder, pid),
        )
        with _metrics(settings, folder):
            await supervisor.run(when_listening)


def _work(work: _Work, ready: Connection) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_as_worker(work, ready))


async def _serve_as_worker(work: _Work, ready: Connection) -> None:
    stop_with_parent()
    await serve_on(
        work.listener,
        work.settings,
        when_listening=lambda: report_ready(ready),
        demo=work.demo,
        metrics_folder=work.metrics_folder,
    )


def _metrics(settings: Settings, folder: Path | None) -> AbstractContextManager[None]:
    if settings.metrics_port is None:
        return nullcontext()
    try:
        return metrics_on(settings.host, settings.metrics_port, folder)
    except OSError as error:
        raise MetricsPortTaken(settings, error) from None
