"""`serve` prints its address, ends when told to, and says in one line why it cannot run."""

import os
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.commands import Commands, Line, environment, lines_of
from tests.running import COMMAND, START_TIMEOUT_S, STOP_TIMEOUT_S

SECRET = "a secret of the tests, long enough for HS256"


@contextmanager
def serving(
    folder: Path, *options: str, **settings: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the service in its own folder; give it and what it printed when it listened."""
    own = {"SESSIONS_PORT": "0", "SESSIONS_DRAIN_S": "0", "SESSIONS_DATA_DIR": str(folder)}
    changes = environment(own | settings)
    with subprocess.Popen(
        [COMMAND, "serve", *options],
        env={name: v for name, v in {**os.environ, **changes}.items() if v is not None},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, printed_by(process)
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)


def printed_by(process: subprocess.Popen[str]) -> str:
    """Return what it prints when it listens: all of it in one write."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    printed = os.read(process.stdout.fileno(), 65536).decode() if ready else ""
    assert printed, "The service ended, or did not listen in time."
    return printed


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("development") / "data"
    with serving(folder) as (_, printed):
        yield folder, printed


def pasted(line: str) -> Line:
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    [answer] = lines_of(done.stdout)
    return answer


def test_the_printed_request_works_when_pasted(development: tuple[Path, str]) -> None:
    [request] = re.findall(r"^curl .*$", development[1], re.MULTILINE)

    answer = pasted(request)

    assert answer["message"] == "Chat session created successfully."


def test_the_printed_addresses_are_the_real_ones(development: tuple[Path, str]) -> None:
    folder, printed = development
    [port] = re.findall(r"^The .* listens on http://127\.0\.0\.1:(\d+)$", printed, re.MULTILINE)

    with socket.create_connection(("127.0.0.1", int(port))):
        assert f"Data: {folder} (embedded MongoDB, for development)\n" in printed


def test_a_second_service_on_the_same_folder_says_which_process_uses_it(
    development: tuple[Path, str],
) -> None:
    folder, _ = development
    run = Commands({"SESSIONS_PORT": "0", "SESSIONS_DATA_DIR": str(folder)})

    done = run("serve")

    assert done.exit_code == 1
    assert re.fullmatch(
        rf"Error: The folder {folder} is in use by another service \(pid \d+\)\.\n", done.stderr
    )


def test_other_commands_work_alongside_a_running_service(development: tuple[Path, str]) -> None:
    folder, printed = development
    run = Commands({"SESSIONS_DATA_DIR": str(folder)})
    [request] = re.findall(r"^curl .*$", printed, re.MULTILINE)
    session_id = pasted(request)["session_id"]

    exported = run.exported("--user", "demo")

    assert session_id in {line["session_id"] for line in exported}


def test_a_token_from_the_command_line_is_accepted(development: tuple[Path, str]) -> None:
    folder, printed = development
    run = Commands({"SESSIONS_DATA_DIR": str(folder)})
    [url] = re.findall(r"http://\S+:\d+$", printed, re.MULTILINE)

    token = run("token", "--user", "carol").stdout.strip()

    answer = pasted(f"curl -sS '{url}/get_all/carol' -H 'Authorization: Bearer {token}'")
    assert answer["data"] == []


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_and_stops_its_database_too(tmp_path: Path, stop: signal.Signals) -> None:
    with serving(tmp_path / "data") as (process, _):
        started_s = time.monotonic()
        process.send_signal(stop)
        _, errors = process.communicate(timeout=STOP_TIMEOUT_S)

        assert (process.returncode, errors) == (0, "")
        assert time.monotonic() - started_s < 15
        assert (tmp_path / "data" / "mongo" / "mongod.lock").read_text() == ""


def test_the_port_and_the_secret_in_the_settings_are_used(mongo_url: str, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"SESSIONS_PORT": str(port), "SESSIONS_JWT_SECRET": SECRET}
    token = Commands(settings)("token", "--user", "bob").stdout.strip()

    with serving(tmp_path, SESSIONS_MONGO_URL=mongo_url, **settings) as (_, printed):
        url = f"http://127.0.0.1:{port}"
        answer = pasted(f"curl -sS '{url}/get_all/bob' -H 'Authorization: Bearer {token}'")

    assert answer["data"] == []
    assert printed == (
        f"The session service listens on {url}\nData: database sessions of SESSIONS_MONGO_URL\n"
    )


def test_the_demo_token_is_made_with_the_secret_in_the_settings(tmp_path: Path) -> None:
    with serving(tmp_path / "data", SESSIONS_JWT_SECRET=SECRET) as (_, printed):
        [request] = re.findall(r"^curl .*$", printed, re.MULTILINE)

        answer = pasted(request)

    assert answer["message"] == "Chat session created successfully."
    assert not (tmp_path / "data" / "jwt-secret").exists()


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = Commands({"SESSIONS_PORT": str(port), "SESSIONS_JWT_SECRET": SECRET})

        done = run("serve")

    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: Cannot listen on 127.0.0.1 port {port}: Address already in use. "
        "Set SESSIONS_HOST and SESSIONS_PORT; port 0 takes a free one.\n"
    )


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"SESSIONS_PORT": "http"}, "SESSIONS_PORT: Input should be a valid integer"),
        ({"SESSIONS_HOST": "no.such.host.invalid"}, "Cannot listen on no.such.host.invalid"),
        ({"SESSIONS_DELETE_GRACE_S": "1"}, "SESSIONS_DELETE_GRACE_S must be at least"),
        ({"SESSIONS_JWT_SECRET": SECRET, "SESSIONS_JWKS_URL": "https://h"}, "Set only one of"),
        ({"SESSIONS_MONGO_URL": "mongodb://h"}, "set one of them: with SESSIONS_MONGO_URL"),
        ({"SESSIONS_JWT_SECRET": "short"}, "SESSIONS_JWT_SECRET: must be 32 bytes or longer"),
        ({"SESSIONS_JWT_SECRET_FILE": "/not/there"}, "SESSIONS_JWT_SECRET_FILE: cannot read"),
        ({"SESSIONS_JWT_AUDIENCES": "us"}, "SESSIONS_JWT_AUDIENCES is no setting; did you mean"),
        ({"SESSIONS_PORT": "tcp://10.0.0.7:80"}, "Set enableServiceLinks: false"),
        (
            {"SESSIONS_JWT_SECRET": SECRET, "SESSIONS_MONGO_URL": "mongodb://u:hush@h/x/y@h"},
            "SESSIONS_MONGO_URL: must look like",
        ),
        (
            {"SESSIONS_JWT_SECRET": SECRET, "SESSIONS_JWT_ALGORITHMS": "none"},
            "SESSIONS_JWT_ALGORITHMS: none is not one of",
        ),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_reported_in_one_line(
    tmp_path: Path, settings: dict[str, str], problem: str
) -> None:
    run = Commands({"SESSIONS_PORT": "0", "SESSIONS_DATA_DIR": str(tmp_path), **settings})

    done = run("serve")

    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hush" not in done.stderr
