"""The observer that the settings describe."""

from config.settings import Settings
from service.observability.metrics import MONGO_POOL_LIMIT
from service.observability.observer import Observer


class TracingNotInstalled(Exception):
    def __init__(self) -> None:
        super().__init__(
            "SESSIONS_TRACES_URL needs the extra `tracing`: pip install 'session-service[tracing]'."
        )


def observer_for(settings: Settings) -> Observer:
    """Return the observer that the settings describe.

    Raises:
        TracingNotInstalled: tracing is on, but its library is not installed.
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
