"""Commands of the command line, run in this process with their own settings."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from service.cli.main import main

Line = dict[str, Any]


@dataclass
class Commands:
    settings: dict[str, str]

    def __call__(self, *arguments: str | Path, typed: bytes | None = None) -> Result:
        return CliRunner().invoke(
            main,
            [str(argument) for argument in arguments],
            env=environment(self.settings),
            input=typed,
            catch_exceptions=False,
        )

    def exported(self, *options: str) -> list[Line]:
        return lines_of(self("export", *options).stdout)


def environment(settings: dict[str, str]) -> dict[str, str | None]:
    """Return the changes that leave only these settings; None removes one."""
    outside = dict.fromkeys(name for name in os.environ if name.startswith("SESSIONS_"))
    return {**outside, **settings}


def lines_of(text: str) -> list[Line]:
    return [json.loads(line) for line in text.split("\n") if line]


def write_lines(file: Path, lines: list[Line]) -> Path:
    file.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
    return file
