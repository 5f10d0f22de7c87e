"""The commands of the Dockerfile's build stage, run unchanged, in scratch folders."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.dockerfile import values
from tests.deploy.manifests import ROOT

pytestmark = pytest.mark.nightly

INSTALLED_TO = "/opt/session-service"
BUILD_TIMEOUT_S = 240


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the last stage copies, built in its own environment."""
    scratch = tmp_path_factory.mktemp("image")
    subprocess.run([sys.executable, "-m", "venv", scratch / "system"], check=True)
    for copy in values("build", "COPY"):
        *sources, target = copy.split()
        for source in sources:
            copy_in(ROOT / source, scratch / "build" / target, source)
    for command in values("build", "RUN"):
        run(command.replace(INSTALLED_TO, str(scratch / "opt")), scratch)
    return scratch / "opt"


def copy_in(source: Path, target: Path, name: str) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target / Path(name).name)


def run(command: str, scratch: Path) -> None:
    path = f"{scratch / 'system' / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        shlex.split(command),
        cwd=scratch / "build",
        env={**os.environ, "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_TIMEOUT_S,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_service_runs_from_the_copied_folder(installed: Path) -> None:
    # Without the environment of this machine, in a folder without the sources.
    done = subprocess.run(
        [installed / "bin" / "session-service", "--version"],
        cwd="/",
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "0.1.0" in done.stdout


def test_the_image_can_send_traces(installed: Path) -> None:
    python = str(installed / "bin" / "python")

    done = subprocess.run(
        [python, "-c", "import service.observability.tracing"],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_no_installer_is_left_in_the_image(installed: Path) -> None:
    names = {path.name for path in (installed / "bin").iterdir()}

    assert not any(name.startswith("pip") for name in names)


def test_bytecode_exists_before_the_service_runs(installed: Path) -> None:
    packages = next((installed / "lib").glob("python3.*")) / "site-packages"

    assert list((packages / "service" / "__pycache__").glob("app.*.pyc"))
