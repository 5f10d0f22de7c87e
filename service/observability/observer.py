"""What watches the parts of the service: metrics always, traces when they are wanted."""

from contextlib import AbstractContextManager
from typing import TypeVar

from starlette.middleware import Middleware

from service.observability.watching import MeasuredDriver, measured_batch
from service.signals import Batch, DriverWatcher

Part = TypeVar("Part")


class Observer:
    """Makes metrics, and no traces."""

    def __init__(self) -> None:
        self.drivers: list[DriverWatcher] = [MeasuredDriver()]
        self.middleware: list[Middleware] = []

    def batch(self, batch: Batch) -> AbstractContextManager[None]:
        return measured_batch(batch)

    def use_cases(self, part: Part) -> Part:
        """Return an object that does what the part does, and is watched."""
        return part

    async def aclose(self) -> None:
        """Send what is still to be sent."""
