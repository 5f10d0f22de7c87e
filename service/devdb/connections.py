"""Ends connections of a child process to a program that never responds.

A mongod whose port has changed looks for itself at the former one. If a program there accepts the
connection and sends nothing, mongod waits for 30 s, a time that no option changes.
"""

import ctypes
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# pidfd_getfd(2), Linux 5.6: the number is the same on all architectures.
PIDFD_GETFD = 438
LOOPBACK = "0100007F"


def end_connections(pid: int, port: int) -> None:
    """End the connections of the process to this port of 127.0.0.1, if the system allows it.

    The process must be a child. To it, each connection ends as if the other side had ended it.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError):
        sockets = set(_sockets_to(pid, port))
        if not sockets:
            return
        process = os.pidfd_open(pid)
        try:
            for descriptor in _descriptors_of(pid, sockets):
                _shut_down(process, descriptor)
        finally:
            os.close(process)


def _sockets_to(pid: int, port: int) -> Iterator[str]:
    """Yield the inodes of the sockets that are connected to the port: proc_net(5)."""
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[2] == f"{LOOPBACK}:{port:04X}":
            yield fields[9]


def _descriptors_of(pid: int, sockets: set[str]) -> Iterator[int]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if str(descriptor.readlink()).removeprefix("socket:[").rstrip("]") in sockets:
                yield int(descriptor.name)


def _shut_down(process: int, descriptor: int) -> None:
    copied = ctypes.CDLL(None).syscall(PIDFD_GETFD, process, descriptor, 0)
    if copied >= 0:
        with socket.socket(fileno=copied) as copy, suppress(OSError):
            copy.shutdown(socket.SHUT_RDWR)
