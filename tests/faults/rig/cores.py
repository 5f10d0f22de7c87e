"""Clients and servers on separate cores: the load takes nothing from what it measures."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def apart(servers: Iterable[int]) -> Iterator[None]:
    """Keep these processes off one core, and this process and its children on that core.

    On a machine with one core, all stay where they are.
    """
    cores = os.sched_getaffinity(0)
    for_clients = {max(cores)}
    pids = list(servers)
    _keep(pids, cores - for_clients or cores)
    os.sched_setaffinity(0, for_clients)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        _keep(pids, cores)


def _keep(pids: Iterable[int], cores: set[int]) -> None:
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):  # It has ended meanwhile.
                os.sched_setaffinity(int(thread.name), cores)
