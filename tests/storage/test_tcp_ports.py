"""Ports are reserved: two processes that start servers at the same time never get the same port."""

import subprocess
import sys
from pathlib import Path

from service.devdb.tcp_ports import free_port, is_free, reserve
from tests.every import every

ROOT = Path(__file__).parents[2]
RESERVE_TEN = """
import sys
from service.devdb.tcp_ports import free_port
print(*[free_port() for _ in range(10)], flush=True)
sys.stdin.read()
"""


def child() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", RESERVE_TEN],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ports_of(process: "subprocess.Popen[str]") -> set[int]:
    assert process.stdout is not None
    return set(map(int, process.stdout.readline().split()))


def test_a_process_gets_a_port_only_once() -> None:
    ports = [free_port() for _ in range(50)]

    assert len(set(ports)) == 50


def test_concurrent_processes_get_different_ports() -> None:
    with child() as one, child() as other:
        first, second = ports_of(one), ports_of(other)

        assert len(first) == len(second) == 10
        assert first.isdisjoint(second)
        assert not any(reserve(port) for port in first | second)
        one.communicate()
        other.communicate()


def test_a_port_is_free_again_when_its_process_has_ended() -> None:
    with child() as process:
        ports = ports_of(process)
        process.communicate()

    assert every(reserve(port) and is_free(port) for port in ports)
