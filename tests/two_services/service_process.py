"""The service as a separate process: prints its port, then serves until SIGTERM."""

import socket

import uvicorn

from config.settings import Settings
from service.app import SessionService


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)  # noqa: T201  The parent process waits for it.
    app = SessionService(Settings(_env_file=None))
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
