"""Schemathesis against the service as users run it: a separate process, with a real MongoDB.

`python -m tests.security.fuzzing` is `make fuzz`. It generates requests from `/openapi.json`, valid
and hostile ones, and chains of them, and checks each response against the document.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click

from service.api.dialects import ALL
from service.api.kit.router import Route
from service.auth.mint import mint
from service.domain.access import ADMIN_SCOPE
from tests.api.asking import SECRET
from tests.running import run_service

COMMAND = str(Path(sys.executable).parent / "schemathesis")
CONFIG = Path(__file__).with_name("schemathesis.toml")
FORMATS = Path(__file__).with_name("fuzzed_formats.py")
CALLERS: dict[str, list[str]] = {"alice": [], "bob": [], "admin": [ADMIN_SCOPE]}
NEVER_IN_THE_WAY = "1000000"


SINGLE = ["--phases", "examples,coverage,fuzzing"]
# One dialect at a time: with all together, Schemathesis begins all chains in the same one.
CHAINED = [["--phases", "stateful", "--include-tag", d.name] for d in ALL]
# The same endpoints are served at each mount of their dialect.
AT_OTHER_MOUNTS = [
    Route(mount + endpoint.path, dialect, {}).template
    for dialect in ALL
    for mount in dialect.mounts[1:]
    for endpoint in dialect.endpoints
]


class Outcome(NamedTuple):
    cases: int
    failures: int
    told: str


def fuzz(folder: Path, *, examples: int, seed: int, without: Iterable[str] = ()) -> Outcome:
    """Run all phases with this many examples per operation; all files go to `folder`.

    Operations at the paths in `without` are left out.
    """
    left_out = [part for path in dict.fromkeys(without) for part in ("--exclude-path", path)]
    with run_service(
        SESSIONS_DATA_DIR=str(folder / "data"),
        SESSIONS_JWT_SECRET=SECRET,
        SESSIONS_REQUESTS_PER_MINUTE=f"keyed={NEVER_IN_THE_WAY}",
        SESSIONS_LOG_LEVEL="error",
    ) as service:
        (folder / "callers.json").write_text(json.dumps(_callers()))
        outcomes = [
            _run(f"{service.url}/openapi.json", folder, [*phases, *left_out], examples, seed)
            for phases in (SINGLE, *CHAINED)
        ]
    return Outcome(
        sum(outcome.cases for outcome in outcomes),
        sum(outcome.failures for outcome in outcomes),
        "".join(outcome.told for outcome in outcomes),
    )


def _run(url: str, folder: Path, chosen: list[str], examples: int, seed: int) -> Outcome:
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    options = {
        "--max-examples": examples,
        "--seed": seed,
        "--workers": 1,
        "--generation-database": "none",
        "--report-json-path": report,
    }
    done = subprocess.run(
        [
            *(COMMAND, "--config-file", str(CONFIG), "run", url, "--no-color", *chosen),
            *(str(part) for option in options.items() for part in option),
        ],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(FORMATS)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout + done.stderr
    if not report.exists():
        raise AssertionError(told)
    found = json.loads(report.read_text())
    cases = found["test_cases"]
    return Outcome(cases["generated"], cases["unique_failures"] + len(found["errors"]), told)


def _callers() -> dict[str, object]:
    return {
        "auth": [
            {
                "name": name,
                "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {_token(name)}"}],
            }
            for name in CALLERS
        ]
    }


def _token(name: str) -> str:
    return mint(SECRET, user_id=name, scopes=CALLERS[name], lifetime_s=86400)


@click.command()
@click.option("--examples", default=200, help="Examples for each operation.")
@click.option("--seed", default=6, help="What the examples are made from.")
@click.option("--least", default=20_000, help="Fewer cases than these are a failure.")
def main(examples: int, seed: int, least: int) -> None:
    with TemporaryDirectory() as folder:
        outcome = fuzz(Path(folder), examples=examples, seed=seed)
    click.echo(outcome.told)
    click.echo(f"{outcome.cases} cases, {outcome.failures} failures")
    sys.exit(outcome.failures > 0 or outcome.cases < least)


if __name__ == "__main__":
    main()
