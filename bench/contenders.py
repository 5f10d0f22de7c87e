"""The contenders: one server process each, on a database of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.bearer import SECRET
from bench.serving import POOL_SIZE

ROOT = Path(__file__).parent.parent
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
STOP_TIMEOUT_S = 30
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Writing this resets the peak of a process's memory to what it holds now.
RESET_PEAK = "5"

BASELINE, SERVICE, CEILING = "baseline", "service", "no database"
# The service of another checkout, to compare a change with the commit before it.
BEFORE = "service before"
LANGCHAIN, OPENAI_AGENTS = "langchain-mongodb", "openai-agents"
MESSAGES_ONLY = frozenset({"append", "recent"})
ALL_WORK = MESSAGES_ONLY | {"create", "list", "get"}


class Contender(NamedTuple):
    name: str
    does: frozenset[str]
    database: str
    root: Path = ROOT

    def command(self, mongo_url: str) -> list[str]:
        return {
            BASELINE: [sys.executable, "-m", "bench.baseline", mongo_url, self.database],
            SERVICE: [str(Path(sys.executable).parent / "session-service"), "serve"],
            BEFORE: [str(self.root / ".venv" / "bin" / "session-service"), "serve"],
            CEILING: [sys.executable, "-m", "bench.ceiling"],
        }.get(
            self.name,
            [str(PEERS_PYTHON), "-m", "bench.peers", self.name, mongo_url, self.database],
        )


CONTENDERS = [
    Contender(BASELINE, ALL_WORK, "bench_baseline"),
    Contender(SERVICE, ALL_WORK, "bench_service"),
    Contender(CEILING, frozenset({"recent"}), "none"),
    Contender(LANGCHAIN, MESSAGES_ONLY, "bench_langchain"),
    Contender(OPENAI_AGENTS, MESSAGES_ONLY, "bench_openai_agents"),
]


def service_before(root: Path) -> Contender:
    """Return the service of a checkout that has a virtual environment of its own."""
    return Contender(BEFORE, ALL_WORK, "bench_before", root)


def contender_named(name: str) -> Contender:
    return next(contender for contender in CONTENDERS if contender.name == name)


class Running(NamedTuple):
    """A server process, and what the kernel reports about it."""

    url: str
    pid: int

    def cpu_s(self) -> float:
        """Return the processor time that all its threads have used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text(RESET_PEAK)

    def peak_mb(self) -> float:
        """Return the most memory it has held since the peak was reset."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0


@contextmanager
def running(contender: Contender, mongo_url: str, folder: Path) -> Iterator[Running]:
    """Run it in an empty folder, where no `.env` changes what is measured."""
    outside = {name: v for name, v in os.environ.items() if not name.startswith("SESSIONS_")}
    ours = {
        "PYTHONPATH": str(contender.root),
        "MOTOR_MAX_WORKERS": str(POOL_SIZE),
        "SESSIONS_PORT": "0",
        "SESSIONS_MONGO_URL": mongo_url,
        "SESSIONS_MONGO_DATABASE": contender.database,
        "SESSIONS_JWT_SECRET": SECRET,
    }
    process = subprocess.Popen(  # noqa: S603  Our own command.
        contender.command(mongo_url),
        cwd=folder,
        env=outside | ours,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(_url(process), process.pid)
    finally:
        process.terminate()
        process.communicate(timeout=STOP_TIMEOUT_S)


def _url(process: subprocess.Popen[str]) -> str:
    for line in process.stdout or ():
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise RuntimeError(f"{process.args!r} did not start.")
