"""Writes the reference of all settings: `python -m config.reference` (`make settings`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from config.settings import Settings
from config.variables import PREFIX

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "settings.md"
EXAMPLE = ROOT / "config" / ".env.example"
INTRODUCTION = f"""\
# Settings

Settings come from the environment or from a file `.env` in the working folder.
`config/.env.example` holds all of them with their defaults. The service refuses to start if it
finds an unknown `{PREFIX}*` variable, and suggests the one that was probably meant. Secrets can
come from files: `{PREFIX}JWT_SECRET_FILE` instead of `{PREFIX}JWT_SECRET`, and so on.

This page is made from `config/settings.py` by `make settings`.

| variable | default | what it is |
|---|---|---|
"""


class Setting(NamedTuple):
    """A setting as it is written; an empty default means that it is not set."""

    variable: str
    default: str
    description: str


def settings() -> Iterator[Setting]:
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, (), {}) else str(field.default)
        yield Setting(f"{PREFIX}{name.upper()}", default, field.description or "")


def page() -> str:
    """Return docs/settings.md."""
    rows = (
        f"| `{s.variable}` | {f'`{s.default}`' if s.default else 'not set'} | {s.description} |\n"
        for s in settings()
    )
    return INTRODUCTION + "".join(rows)


def example() -> str:
    """Return config/.env.example."""
    lines = (f"# {s.description}\n{s.variable}={s.default}\n" for s in settings())
    return "# Every setting with its default; a line without a value is not set.\n" + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
    EXAMPLE.write_text(example())
