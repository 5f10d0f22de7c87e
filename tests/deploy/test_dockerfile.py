"""The image, read from its instructions; the tests need no Docker."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from config.settings import Settings
from tests.deploy.dockerfile import instructions, stages, values
from tests.deploy.manifests import ROOT, container, pod, the
from tests.every import every


def test_both_stages_use_the_same_pinned_base() -> None:
    bases = {value.split(" AS ")[0] for name, value in instructions() if name == "FROM"}

    assert len(stages()) == 2
    assert every(re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base) for base in bases)
    assert len(bases) == 1


def test_only_packages_locked_with_hashes_are_fetched() -> None:
    installs = [v for v in values("build", "RUN") if re.search(r"\b(install|wheel)\b", v)]

    fetching = [command for command in installs if "--no-index" not in command]

    assert len(fetching) == 2
    assert every("--require-hashes" in command for command in fetching)
    assert [c.split(" -r ")[1] for c in fetching] == ["locks/build.txt", "locks/runtime.txt"]


def test_the_image_has_no_mongod() -> None:
    assert "fiftyone" not in (ROOT / "locks" / "runtime.txt").read_text()


def test_the_last_stage_gets_nothing_but_the_installed_service() -> None:
    copies = values("runtime", "COPY")

    assert copies == ["--from=build /opt/session-service /opt/session-service"]


def test_the_image_runs_as_an_unprivileged_user() -> None:
    assert values("runtime", "USER") == ["10001:10001"]


def test_the_manifests_use_the_user_of_the_image() -> None:
    context = pod(the("prod", "Deployment", "session-service"))["securityContext"]

    assert [f"{context['runAsUser']}:{context['runAsGroup']}"] == values("runtime", "USER")


def test_signals_reach_the_service_itself() -> None:
    assert [json.loads(v) for v in values("runtime", "ENTRYPOINT")] == [["session-service"]]
    assert [json.loads(v) for v in values("runtime", "CMD")] == [["serve"]]
    assert values("runtime", "STOPSIGNAL") == ["SIGTERM"]


def test_nothing_is_written_to_the_image_when_it_runs() -> None:
    environment = " ".join(values("runtime", "ENV"))
    mounts = container(the("prod", "Deployment", "session-service"))["volumeMounts"]

    assert "PYTHONDONTWRITEBYTECODE=1" in environment
    assert [mount["mountPath"] for mount in mounts if not mount.get("readOnly")] == ["/tmp"]


def test_the_service_listens_on_all_addresses_and_the_exposed_port() -> None:
    environment = " ".join(values("runtime", "ENV"))

    assert "SESSIONS_HOST=0.0.0.0" in environment
    assert f"SESSIONS_PORT={Settings.model_fields['port'].default}" in environment
    assert values("runtime", "EXPOSE") == [str(Settings.model_fields["port"].default)]


def test_the_image_says_what_it_is() -> None:
    labels = " ".join(values("runtime", "LABEL"))

    named = set(re.findall(r"org\.opencontainers\.image\.([\w.]+)=", labels))

    assert named == {"title", "description", "version", "revision", "base.name"}


def test_the_image_is_labelled_with_the_version_of_the_service() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert f"VERSION={project['version']}" in values("runtime", "ARG")


@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (503, 1)])
def test_the_health_check_requests_liveness_without_a_shell(status: int, exit_code: int) -> None:
    with answering(status) as (port, asked):
        done = subprocess.run(health_check(), env={"SESSIONS_PORT": str(port)}, check=False)

    assert done.returncode == exit_code
    assert asked == ["/livez"]


def health_check() -> list[str]:
    (value,) = values("runtime", "HEALTHCHECK")
    program, *arguments = json.loads(value.split(" CMD ", 1)[1])
    assert program == "python"
    return [sys.executable, *arguments]


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_only_files_that_the_build_copies_are_sent_to_it() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    copied = {part for v in values("build", "COPY") for part in v.split()[:-1]}

    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert "*" in lines
    assert sent == copied
    assert lines.index("**/.env") > max(i for i, line in enumerate(lines) if line.startswith("!"))
