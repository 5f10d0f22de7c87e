"""Only locked packages are installed, by hash; all code that runs at Python's start is known."""

import json
import re
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from tests.every import every

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
REQUIREMENT = re.compile(r"[a-z0-9-]+(\[[a-z,]+\])?==\S+( ; .+)?( --hash=sha256:[0-9a-f]{64})+")
# At every start Python runs their lines that begin with `import`: listed by hash of content.
EXECUTABLE = {
    # setuptools, part of venv before Python 3.12: replaces Python's distutils by its own.
    "2638ce9e2500e572a5e0de7faed6661eb569d1b696fcba07b0dd223da5f5d224",
    # coverage: measures child processes if COVERAGE_PROCESS_START is set.
    "ef2ed06d19867ec669c09a804060666a9cd5e383af0a9d11aa2de79b77d448e8",
}


def unexpected(site_packages: Path) -> list[str]:
    """Return the `.pth` files that run unknown code, or name folders that are not ours."""
    return [
        file.name
        for file in sorted(site_packages.glob("*.pth"))
        if sha256(file.read_bytes()).hexdigest() not in EXECUTABLE
        and set(file.read_text().splitlines()) != {str(ROOT)}
    ]


def requirements(lock: Path) -> list[str]:
    """Return a lock's requirements, each on one line with its hashes."""
    lines = lock.read_text().replace("\\\n", "").splitlines()
    return [" ".join(line.split()) for line in lines if line and not line.lstrip().startswith("#")]


def test_no_test_environment_has_an_unexpected_pth_file() -> None:
    environments = [*ROOT.glob(".venv*/lib/python3*/site-packages")]
    environments += ROOT.glob(".venv*/*/lib/python3*/site-packages")

    assert {path: found for path in environments if (found := unexpected(path))} == {}
    assert ROOT / ".venv" in {path.parents[2] for path in environments}


@pytest.mark.parametrize(
    "planted",
    ["import os; os.system('true')\n", "/tmp\n", f"{ROOT}\n/tmp\n", f"{ROOT}\nimport os\n"],
)
@pytest.mark.parametrize("name", ["evil.pth", "distutils-precedence.pth"])
def test_a_planted_pth_file_is_found(tmp_path: Path, name: str, planted: str) -> None:
    (tmp_path / name).write_text(planted)

    assert unexpected(tmp_path) == [name]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_of_a_lock_has_its_version_and_hashes(lock: Path) -> None:
    found = requirements(lock)

    assert found
    assert [one for one in found if not REQUIREMENT.fullmatch(one)] == []


def test_make_lock_makes_every_lock() -> None:
    said = subprocess.run(
        ["make", "--dry-run", "lock"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert re.findall(r"-o locks/(\S+)", said)
    assert set(re.findall(r"-o locks/(\S+)", said)) == {lock.name for lock in LOCKS}


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile"])
def test_nothing_is_installed_from_a_lock_without_its_hashes(file: str) -> None:
    lines = (ROOT / file).read_text().splitlines()
    installs = [line for line in lines if " install " in line and " -r " in line]

    assert installs
    assert [line for line in installs if "--require-hashes" not in line] == []


def test_the_page_at_docs_consists_of_the_fetched_files() -> None:
    folder = ROOT / "service" / "api" / "openapi" / "swagger_ui"
    lines = (folder / "SHA256SUMS").read_text().splitlines()

    fetched = {name: digest for digest, name in (line.split("  ") for line in lines)}

    found = {file.name: sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    ours = {"start.js", "SHA256SUMS"}
    assert {name: found[name] for name in found.keys() - ours} == fetched


@pytest.mark.nightly
def test_the_bill_of_materials_lists_what_the_image_installs() -> None:
    subprocess.run(["make", "--silent", "sbom"], cwd=ROOT, check=True)
    bill = json.loads((ROOT / "sbom.cdx.json").read_text())

    listed = {f"{one['name']}=={one['version']}" for one in bill["components"]}

    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "session-service"
    assert listed == {one.split()[0] for one in requirements(ROOT / "locks" / "runtime.txt")}
    assert every(one["externalReferences"][0]["hashes"] for one in bill["components"])
