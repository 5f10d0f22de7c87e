"""What watches the parts of the service: metrics always, traces when they are wanted."""

from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from starlette.middleware import Middleware

from config.settings import Settings
from service.observability.metrics import MONGO_POOL_LIMIT
from service.observability.watching import Batch, MeasuredDriver, measured_batch

Part = TypeVar("Part")


class TracingNotInstalled(Exception):
    def __init__(self) -> None:
        super().__init__(
            "SESSIONS_TRACES_URL needs the extra `tracing`: pip install 'session-service[tracing]'."
        )


class DriverWatcher(Protocol):
    def command_ended(self, name: str, duration_s: float, *, failed: bool) -> None: ...

    def connections_changed(self, *, idle: int = 0, in_use: int = 0) -> None: ...


class Observer:
    """Makes metrics, and no traces."""

    def __init__(self) -> None:
        self.drivers: list[DriverWatcher] = [MeasuredDriver()]
        self.middleware: list[Middleware] = []

    def batch(self, batch: Batch) -> AbstractContextManager[None]:
        return measured_batch(batch)

    def use_cases(self, part: Part) -> Part:
        """Return what does as the part does, and is watched."""
        return part

    async def aclose(self) -> None:
        """Send what is to be sent."""


def observer_for(settings: Settings) -> Observer:
    """Return what the settings want.

    Raises:
        TracingNotInstalled: traces are wanted, and their library is not there.
    """
    MONGO_POOL_LIMIT.set(settings.mongo_max_pool)
    if settings.traces_url is None:
        return Observer()
    try:
        # An extra: it is neither installed nor loaded unless traces are wanted.
        from service.observability.tracing import Tracing, exporter_to  # noqa: PLC0415
    except ModuleNotFoundError:
        raise TracingNotInstalled from None
    return Tracing(exporter_to(settings.traces_url))
