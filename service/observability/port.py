"""The metrics on a port of their own, served by a thread of their own."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server

from service.observability.metrics import registry


def metrics_on(host: str, port: int, shared_folder: Path | None) -> AbstractContextManager[None]:
    """Serve `/metrics` there immediately, until the context ends, even if the event loop is busy.

    Raises:
        OSError: the port cannot be listened on.
    """
    return _until_left(*start_http_server(port, host, registry(shared_folder)))


@contextmanager
def _until_left(server: WSGIServer, thread: Thread) -> Iterator[None]:
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
