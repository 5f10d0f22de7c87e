"""Ports of loopback for servers that are started here."""

import random
import socket

HOST = "127.0.0.1"
# Ports the system hands to no client: a client that waits for mongod on one of those may
# reach itself, and then mongod finds its own port taken.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    return next(port for port in random.sample(PORTS, k=100) if is_free(port))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As mongod does: connections that ended a moment ago do not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
