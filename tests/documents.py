"""Commands of our documents, run as their readers run them."""

import os
import re
import subprocess
from pathlib import Path

from tests.running import RunningService

SEPARATOR = "--- end of block"


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of a document in this language."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for marked, block in found if marked == language]


def outputs_of(commands: list[str], service: RunningService, folder: Path) -> list[str]:
    """Run shell blocks in order, in one shell, against the service; return what each printed."""
    script = "\n".join(f"{block}\necho; echo '{SEPARATOR}'" for block in commands)
    script = script.replace("http://127.0.0.1:8000", service.url)
    script = script.replace(".venv/bin/session-service", service.command)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, **service.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(SEPARATOR)[:-1]
