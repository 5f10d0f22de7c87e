"""The tables of rules and promises name tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def exists(path: str, test: str) -> bool:
    file = ROOT / path
    return file.is_file() and f"def {test or 'test_'}" in file.read_text()


@pytest.mark.parametrize("document", ["security.md", "reliability.md"])
def test_every_line_names_a_test_that_exists(document: str) -> None:
    table = (ROOT / "docs" / document).read_text()

    named = re.findall(r"\| `(tests/[\w/]+\.py)(?:::(\w+))?` \|$", table, re.MULTILINE)

    assert len(named) == table.count("\n| ") - 1
    assert [names for names in named if not exists(*names)] == []
