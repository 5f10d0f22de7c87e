"""One cell of the table: wrk on one contender, and what its process used during the run."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.contenders import Running

SCRIPT = Path(__file__).parent / "load.lua"
# Time for the responses that are still missing when sending ends.
DRAIN_S = 1


class LoadFailed(Exception):
    """Requests were refused or broken: the figures of such a run mean nothing."""


class Workload(NamedTuple):
    name: str
    method: str
    path: str

    @property
    def drain_s(self) -> int:
        return DRAIN_S if self.method == "POST" else 0


APPEND = Workload("append", "POST", "/history/update/{id}")
RECENT = Workload("recent", "GET", "/history/recent/{id}?limit=20")
CREATE = Workload("create", "POST", "/create?agent_id=bench")
LIST = Workload("list", "GET", "/get_all/{user}?limit=20")
GET = Workload("get", "GET", "/get/{id}")


class Sent(NamedTuple):
    """What one writer sent: its label, numbered from 1; some got no response before it ended.

    A writer that waits for each response is `sequential`: its messages are stored in order.
    """

    label: str
    total: int
    unanswered: int = 0
    sequential: bool = True


class Figures(NamedTuple):
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    mongod_us: float
    peak_mb: float


class Target(NamedTuple):
    """Where the load goes: a process, and the file with its sessions and their users."""

    running: Running
    sessions: Path
    mongod_cpu_s: Callable[[], float]


def load(
    target: Target, workload: Workload, *, connections: int, seconds: int, label: str
) -> tuple[Figures, Sent]:
    """Send as fast as responses arrive.

    Raises:
        LoadFailed: something else than success came back.
    """
    target.running.forget_peak()
    cpu_before_s, mongod_before_s = target.running.cpu_s(), target.mongod_cpu_s()
    counts = _wrk(target, workload, connections, seconds, label)
    cpu_s = target.running.cpu_s() - cpu_before_s
    mongod_s = target.mongod_cpu_s() - mongod_before_s
    if counts["refused"] or counts["broken"] or not counts["answered"]:
        raise LoadFailed(f"{workload.name} at {connections} connections ({label}): {counts}")
    figures = Figures(
        requests_per_s=counts["answered"] / seconds,
        p50_ms=counts["p50_us"] / 1000,
        p99_ms=counts["p99_us"] / 1000,
        cpu_us=cpu_s * 1_000_000 / counts["answered"],
        mongod_us=mongod_s * 1_000_000 / counts["answered"],
        peak_mb=target.running.peak_mb(),
    )
    unanswered = counts["sent"] - counts["answered"]
    return figures, Sent(label, counts["sent"], unanswered, sequential=connections == 1)


def _wrk(
    target: Target, workload: Workload, connections: int, seconds: int, label: str
) -> dict[str, Any]:
    options = ["-t1", f"-c{connections}", f"-d{seconds + workload.drain_s}s", "--timeout=10s"]
    script = [workload.method, workload.path, str(seconds), label]
    done = subprocess.run(  # noqa: S603  wrk, with our own arguments.
        ["wrk", *options, "-s", SCRIPT, target.running.url, "--", *script, target.sessions],  # noqa: S607  Where PATH has it.
        check=True,
        capture_output=True,
        text=True,
    )
    counts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return counts
