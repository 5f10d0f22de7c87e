"""Loopback ports for servers that are started here.

A port that is free when it is checked can be taken when it is bound: two processes of ours would
choose the same one. So a port is reserved, by a lock on a file of its own, for as long as the
process that started the server lives.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

HOST = "127.0.0.1"
# Ports that the system gives to no client: on a client port, a client that waits for mongod
# may reach itself, and then mongod finds its own port taken.
PORTS = range(20_000, 32_000)
TRIES = 100

_reserved: dict[int, int] = {}


def free_port() -> int:
    """Return a port that no one listens on, reserved for this process.

    Raises:
        OSError: none was found.
    """
    for port in random.sample(PORTS, k=TRIES):
        if port not in _reserved and reserve(port):
            return port
    raise OSError(f"None of {TRIES} ports from {PORTS.start} to {PORTS.stop - 1} is free.")


def reserve(port: int) -> bool:
    """Reserve the port for this process if it is free; return whether that succeeded."""
    if port not in _reserved and not _lock(port):
        return False
    return is_free(port)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As in mongod: connections that ended a moment ago do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _lock(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"session-service-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = os.open(folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    _reserved[port] = file
    return True
