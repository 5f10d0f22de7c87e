"""What a service process uses: from outside via /proc, from inside via its metrics."""

import asyncio
import re
import time
from contextlib import suppress
from pathlib import Path

import httpx2

from tests.faults.history import History, Phase, Sample
from tests.faults.rig.service import Service

SAMPLES, PAUSE_S = 5, 1
PAGE_BYTES = 4096


async def sample_usage(services: list[Service], history: History, phase: Phase) -> None:
    """Record a few samples of each service, a second apart."""
    for _ in range(SAMPLES):
        for number, service in enumerate(services, 1):
            history.sample(await _sample(service, f"service {number}", phase))
        await asyncio.sleep(PAUSE_S)


async def _sample(service: Service, name: str, phase: Phase) -> Sample:
    async with httpx2.AsyncClient(base_url=service.url) as client:
        metrics = (await client.get("/metrics")).text
    return Sample(
        at_s=time.monotonic(),
        process=name,
        phase=phase,
        memory_bytes=memory_bytes(service),
        sockets=_sockets(service),
        tasks=_metric(metrics, "sessions_tasks"),
        pool_in_use=_metric(metrics, 'sessions_mongo_pool_connections{state="in_use"}'),
    )


def memory_bytes(service: Service) -> int:
    statm = Path(f"/proc/{service.process.pid}/statm").read_text()
    return int(statm.split()[1]) * PAGE_BYTES


def _sockets(service: Service) -> int:
    files = Path(f"/proc/{service.process.pid}/fd").iterdir()
    return sum(map(_is_socket, files))


def _is_socket(file: Path) -> bool:
    with suppress(FileNotFoundError):  # It has been closed meanwhile.
        return file.readlink().name.startswith("socket:")
    return False


def _metric(metrics: str, name: str) -> int:
    [value] = re.findall(rf"^{re.escape(name)} (\S+)$", metrics, re.MULTILINE)
    return round(float(value))
