"""`serve --workers`: several processes on one port, as one service."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import httpx2
import pytest

from tests.running import COMMAND, STOP_TIMEOUT_S

SECRET = "a secret of the tests, long enough for HS256"
DEADLINE_S = 15
POLL_S = 0.05


class Service(NamedTuple):
    process: subprocess.Popen[str]
    url: str

    def workers(self) -> set[int]:
        return {pid for pid in children_of(self.process.pid) if is_worker(pid)}

    def answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def counted(self) -> float:
        """Return how many requests for `/` all workers together have counted."""
        shown = httpx2.get(f"{self.url}/metrics").text
        rows = re.findall(
            r'^sessions_http_requests_total\{.*route="/",.*\} (\S+)$', shown, re.MULTILINE
        )
        return sum(map(float, rows))


def children_of(pid: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_worker(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def wait_until(condition: object) -> None:
    assert callable(condition)
    until_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until_s, "It did not happen in time."
        time.sleep(POLL_S)


@contextmanager
def serving(mongo_url: str, folder: Path, **more: str) -> Iterator[Service]:
    settings = {
        "SESSIONS_MONGO_URL": mongo_url,
        "SESSIONS_MONGO_DATABASE": f"workers_{uuid4().hex}",
        "SESSIONS_JWT_SECRET": SECRET,
        "SESSIONS_PORT": "0",
        "TMPDIR": str(folder),
        **more,
    }
    outside = {name: v for name, v in os.environ.items() if not name.startswith("SESSIONS_")}
    with subprocess.Popen(
        [COMMAND, "serve", "--workers", "2"],
        env=outside | settings,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            found = re.search(r"http://\S+", process.stdout.readline())
            yield Service(process, found.group() if found else "")
        finally:
            process.terminate()
            process.communicate(timeout=STOP_TIMEOUT_S)


@pytest.fixture(scope="module")
def service(mongo_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Give a service that the last test which takes it may kill."""
    with serving(mongo_url, tmp_path_factory.mktemp("workers")) as service:
        yield service


def test_all_workers_run_when_the_service_prints_its_address(service: Service) -> None:
    assert len(service.workers()) == 2


def test_the_counts_of_the_workers_are_added_up(service: Service) -> None:
    before = service.counted()

    # A connection stays with the worker that accepted it: in the long run, new ones go to both.
    for _ in range(50):
        httpx2.get(f"{service.url}/")

    assert service.counted() == before + 50


def test_a_dead_worker_is_replaced_and_its_counts_are_kept(service: Service) -> None:
    before = service.counted()
    for _ in range(20):
        httpx2.get(f"{service.url}/")
    dead, _ = service.workers()

    os.kill(dead, signal.SIGKILL)

    wait_until(lambda: dead not in service.workers() and len(service.workers()) == 2)
    wait_until(service.answers)
    assert service.counted() == before + 20


def test_workers_end_when_the_process_that_started_them_is_killed(service: Service) -> None:
    workers = service.workers()

    service.process.kill()

    wait_until(lambda: not any(map(is_worker, workers)))


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_and_leaves_nothing_behind(
    mongo_url: str, tmp_path: Path, stop: signal.Signals
) -> None:
    with serving(mongo_url, tmp_path) as service:
        workers = service.workers()
        began_s = time.monotonic()
        service.process.send_signal(stop)
        _, errors = service.process.communicate(timeout=STOP_TIMEOUT_S)

        assert (service.process.returncode, errors) == (0, "")
        assert time.monotonic() - began_s < 10
        assert not any(map(is_worker, workers))
        assert list(tmp_path.iterdir()) == []


def test_invalid_settings_are_reported_in_one_line(mongo_url: str, tmp_path: Path) -> None:
    key = {"SESSIONS_JWT_SECRET": "", "SESSIONS_JWT_PUBLIC_KEY_FILE": "no.pem"}
    with serving(mongo_url, tmp_path, **key) as service:
        _, errors = service.process.communicate(timeout=DEADLINE_S)

    assert service.process.returncode == 1
    assert errors.startswith("Error: SESSIONS_JWT_PUBLIC_KEY_FILE")
    assert errors.count("\n") == 1
