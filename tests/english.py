"""Looks for banned words in text that users see: `make check` runs `python -m tests.english`.

That is every string of the service except docstrings, the help of the commands, and the pages.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIST = Path(__file__).with_name("banned_words.txt")
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md")
# Test names in a page are not part of its text.
CODE = re.compile(r"`[^`]*`|\([^)\s]*\.md[^)]*\)")


def banned() -> dict[str, str]:
    """Return each banned word with what to write instead."""
    lines = (line for line in LIST.read_text().splitlines() if not line.startswith("#"))
    return dict(line.split("\t") for line in lines)


def texts() -> Iterator[tuple[str, str]]:
    """Yield each text that users see, after its place."""
    for page in (*PAGES, *sorted((ROOT / "docs").glob("*.md"))):
        for number, line in enumerate(page.read_text().splitlines(), 1):
            yield f"{page.relative_to(ROOT)}:{number}", CODE.sub("", line)
    for top in ("service", "config"):
        for path in sorted((ROOT / top).rglob("*.py")):
            for number, text in _strings_in(path):
                yield f"{path.relative_to(ROOT)}:{number}", text


def _strings_in(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text())
    docstrings = {id(node) for definition in ast.walk(tree) for node in _docstring_of(definition)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            assert isinstance(node, ast.Constant)
            yield node.lineno, str(node.value)


def _docstring_of(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the docstring of a definition, unless it is the help of a command."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
        decorators = getattr(node, "decorator_list", [])
        is_command = any(re.search(r"command|group", ast.unparse(d)) for d in decorators)
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and not is_command:
            yield first.value


def main() -> int:
    """Print each banned word with its place; return the exit code."""
    words = banned()
    pattern = re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)
    found = [(place, match[1]) for place, text in texts() for match in pattern.finditer(text)]
    for place, word in found:
        sys.stderr.write(f"{place}: '{word}': write {words[word.lower()]}.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
