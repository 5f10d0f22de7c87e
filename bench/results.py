"""`bench/RESULTS.md`: what a run measured, where, at which commit, and which goals it reached."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from pymongo import MongoClient

from bench.contenders import ROOT

RESULTS = ROOT / "bench" / "RESULTS.md"
TITLE = "# What the bench measured\n\n`make bench` and `make bench-scale` write this file.\n"
SIDE_BY_SIDE, FLAT_COST = SECTIONS = ("Side by side", "Flat cost")
LIBRARIES = ("motor", "pymongo", "starlette", "uvicorn", "uvloop", "httptools", "orjson")
PEERS_LOCK = ROOT / "locks" / "peers.txt"
PEERS = ("langchain-mongodb", "openai-agents", "pymongo")


class Goal(NamedTuple):
    """A row of the goals: the target, and what was measured."""

    work: str
    wanted: str
    measured: str
    is_reached: bool


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def goals_table(goals: Iterable[Goal]) -> str:
    return table(
        ("work", "goal", "measured", "reached"),
        [(g.work, g.wanted, g.measured, "yes" if g.is_reached else "**no**") for g in goals],
    )


def environment(mongo_url: str) -> str:
    """Return the lines that say where and with what the figures were measured."""
    with MongoClient[dict[str, Any]](mongo_url) as client:
        mongod = client.server_info()["version"]
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    lock = PEERS_LOCK.read_text()
    peers = ", ".join(f"{name} {_locked(name, lock)}" for name in PEERS)
    return (
        f"- commit {_commit()}\n"
        f"- {_cpu_model()}, {os.cpu_count()} cores, shared by wrk, the server and mongod; "
        f"{platform.system()} {platform.release()}\n"
        f"- Python {platform.python_version()}, mongod {mongod} (embedded, one-member replica "
        "set, majority and journal)\n"
        f"- {libraries}\n"
        f"- peers: {peers}\n"
    )


def write_section(title: str, text: str) -> None:
    """Replace the section with this title; the other one stays as it is."""
    before = RESULTS.read_text() if RESULTS.exists() else ""
    written = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", before, re.MULTILINE | re.DOTALL))
    written[title] = text
    sections = [f"## {name}\n\n{written[name].strip()}\n" for name in SECTIONS if name in written]
    RESULTS.write_text("\n".join([TITLE, *sections]))


def _locked(name: str, lock: str) -> str:
    found = re.search(rf"^{re.escape(name)}==(\S+)", lock, flags=re.MULTILINE)
    return found[1] if found else "?"


def _cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _commit() -> str:
    commit = _git("rev-parse", "--short=12", "HEAD")
    return f"{commit}, with changes not committed" if _git("status", "--porcelain") else commit


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603  git, with our own arguments.
        ["git", *arguments],  # noqa: S607  Where PATH has it.
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()
