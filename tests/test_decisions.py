"""Every decision is in the index, by its number and its title."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("0*.md"))


def test_the_index_lists_every_record_with_its_title() -> None:
    index = re.findall(
        r"^\| \[(\d{4})\]\((\S+)\) \| (.*) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE
    )

    titles = [path.read_text().partition("\n")[0].removeprefix("# ") for path in RECORDS]
    assert [f"{number}: {title}" for number, _, title in index] == titles
    assert [name for _, name, _ in index] == [path.name for path in RECORDS]
