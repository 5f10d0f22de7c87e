"""The service as its users run it: in its own process, on a real port."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = str(Path(sys.executable).parent / "session-service")
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 40


@dataclass
class RunningService:
    process: subprocess.Popen[str]
    url: str
    environment: dict[str, str]
    command: str = COMMAND


@contextmanager
def run_service(**settings: str) -> Iterator[RunningService]:
    """Run `session-service serve` on a free port, with these settings and no others."""
    environment = {"SESSIONS_PORT": "0", "SESSIONS_DRAIN_S": "0", **settings}
    outside = {name: v for name, v in os.environ.items() if not name.startswith("SESSIONS_")}
    process = subprocess.Popen(
        [COMMAND, "serve"],
        env={**outside, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield RunningService(process, _wait_for_url(process), environment)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=STOP_TIMEOUT_S)


def _wait_for_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    until = time.monotonic() + START_TIMEOUT_S
    printed = ""
    while time.monotonic() < until:
        line = process.stdout.readline()
        if not line:
            break
        printed += line
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found.group()
    raise AssertionError(f"The service did not start:\n{printed}")
