"""What the driver reports, passed on to a watcher."""

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
    ConnectionCheckedInEvent,
    ConnectionCheckedOutEvent,
    ConnectionCheckOutFailedEvent,
    ConnectionCheckOutStartedEvent,
    ConnectionClosedEvent,
    ConnectionCreatedEvent,
    ConnectionPoolListener,
    ConnectionReadyEvent,
    PoolClearedEvent,
    PoolClosedEvent,
    PoolCreatedEvent,
    PoolReadyEvent,
)

from service.signals import DriverWatcher


class Commands(CommandListener):
    """Tells of commands by their names and times, never of their documents."""

    def __init__(self, watcher: DriverWatcher) -> None:
        self._watcher = watcher

    def started(self, event: CommandStartedEvent) -> None:
        pass

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self._ended(event, failed=False)

    def failed(self, event: CommandFailedEvent) -> None:
        self._ended(event, failed=True)

    def _ended(self, event: CommandSucceededEvent | CommandFailedEvent, *, failed: bool) -> None:
        self._watcher.command_ended(event.command_name, event.duration_micros / 1e6, failed=failed)


class Connections(ConnectionPoolListener):
    def __init__(self, watcher: DriverWatcher) -> None:
        self._watcher = watcher

    def connection_created(self, event: ConnectionCreatedEvent) -> None:  # noqa: ARG002
        self._watcher.connections_changed(idle=1)

    def connection_checked_out(self, event: ConnectionCheckedOutEvent) -> None:  # noqa: ARG002
        self._watcher.connections_changed(idle=-1, in_use=1)

    def connection_checked_in(self, event: ConnectionCheckedInEvent) -> None:  # noqa: ARG002
        self._watcher.connections_changed(idle=1, in_use=-1)

    def connection_closed(self, event: ConnectionClosedEvent) -> None:  # noqa: ARG002
        # The driver checks a connection in before it closes it.
        self._watcher.connections_changed(idle=-1)

    def connection_ready(self, event: ConnectionReadyEvent) -> None:
        pass

    def connection_check_out_started(self, event: ConnectionCheckOutStartedEvent) -> None:
        pass

    def connection_check_out_failed(self, event: ConnectionCheckOutFailedEvent) -> None:
        pass

    def pool_created(self, event: PoolCreatedEvent) -> None:
        pass

    def pool_ready(self, event: PoolReadyEvent) -> None:
        pass

    def pool_cleared(self, event: PoolClearedEvent) -> None:
        pass

    def pool_closed(self, event: PoolClosedEvent) -> None:
        pass
