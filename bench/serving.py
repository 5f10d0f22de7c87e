"""Serves a contender with the same server and options as the service."""

import socket
import sys

import uvicorn
from starlette.applications import Starlette

from service.run.garbage import collect_rarely

POOL_SIZE = 50


def serve(app: Starlette) -> None:
    """Print the URL of a free loopback port, then serve there until SIGTERM."""
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    collect_rarely()
    uvicorn.Server(config).run(sockets=[listener])
