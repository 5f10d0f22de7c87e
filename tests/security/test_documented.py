"""The table of rules names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TABLE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"\| `(tests/[\w/]+\.py)(?:::(\w+))?` \|$", TABLE, re.MULTILINE)


def exists(path: str, test: str) -> bool:
    file = ROOT / path
    return file.is_file() and f"def {test or 'test_'}" in file.read_text()


def test_every_rule_names_a_test_that_exists() -> None:
    assert len(NAMED) == TABLE.count("\n| ") - 1
    assert [named for named in NAMED if not exists(*named)] == []
