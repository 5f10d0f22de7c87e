"""Ports of this rig's own, so that several rigs run beside each other."""

import random
import socket

HOST = "127.0.0.1"
# Below those the system hands to clients: a killed server gets its port back.
PORTS = range(12_000, 32_000)


def free_port() -> int:
    return next(port for port in random.sample(PORTS, k=100) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
