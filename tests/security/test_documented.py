"""The tables of rules and promises name tests that exist, and that are not skipped everywhere."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
Test = ast.FunctionDef | ast.AsyncFunctionDef
# Marks and calls that keep a test from failing anywhere; `skipif` with a condition does not.
NEVER_FAILS = re.compile(r"^pytest\.(mark\.)?(skip|xfail|importorskip)\b|\.skipif\((True|1)\b")


def running(source: str, name: str = "") -> list[str]:
    """Return the tests with this name, or all, that can fail on some machine."""
    module = ast.parse(source)
    if any(_never_fails(statement) for statement in module.body):
        return []
    tests = [node for node in ast.walk(module) if isinstance(node, Test)]
    return [
        test.name
        for test in tests
        if test.name.startswith("test_") and name in {"", test.name}
        if not any(map(_never_fails, [*test.decorator_list, *test.body]))
    ]


def _never_fails(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign):
        marks = node.value.elts if isinstance(node.value, ast.List) else [node.value]
        return any(map(_never_fails, marks))
    if isinstance(node, ast.Expr):
        return _never_fails(node.value)
    return isinstance(node, ast.Call | ast.Attribute) and bool(
        NEVER_FAILS.search(ast.unparse(node))
    )


@pytest.mark.parametrize("document", ["security.md", "reliability.md"])
def test_every_line_names_a_test_that_runs(document: str) -> None:
    table = (ROOT / "docs" / document).read_text()

    named = re.findall(r"\| `(tests/[\w/]+\.py)(?:::(\w+))?` \|$", table, re.MULTILINE)

    assert len(named) == table.count("\n| ") - 1
    assert [names for names in named if not _runs(*names)] == []


def _runs(path: str, test: str) -> bool:
    file = ROOT / path
    return file.is_file() and bool(running(file.read_text(), test))


@pytest.mark.parametrize(
    "source",
    [
        "@pytest.mark.skip(reason='later')\ndef test_a(): assert True",
        "@pytest.mark.skip\nasync def test_a(): assert True",
        "@pytest.mark.xfail\ndef test_a(): assert True",
        "@pytest.mark.skipif(True, reason='always')\ndef test_a(): assert True",
        "def test_a():\n    'Documented.'\n    pytest.skip('later')",
        "pytestmark = pytest.mark.skip\ndef test_a(): assert True",
        "pytestmark = [pytest.mark.alone, pytest.mark.skip('later')]\ndef test_a(): assert True",
        "pytest.skip('later', allow_module_level=True)\ndef test_a(): assert True",
        "def test_ab(): assert True",
    ],
)
def test_a_test_that_is_always_skipped_does_not_run(source: str) -> None:
    assert running(source, "test_a") == []


@pytest.mark.parametrize(
    "source",
    [
        "@pytest.mark.parametrize('a', [1])\ndef test_a(a): assert a",
        "@pytest.mark.skipif(missing(), reason='no tool')\nasync def test_a(): assert True",
        "def test_a():\n    if missing():\n        pytest.skip('no tool')\n    assert True",
        "pytestmark = pytest.mark.alone\ndef test_a(): assert True",
    ],
)
def test_a_test_that_runs_on_some_machine_does(source: str) -> None:
    assert running(source, "test_a") == ["test_a"]
