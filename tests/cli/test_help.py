"""The command line explains itself."""

from importlib.metadata import version

from service.cli.main import main
from tests.cli.commands import Commands


def test_every_command_has_one_line_of_help() -> None:
    done = Commands({})("--help")

    rows = done.stdout.split("Commands:\n")[1].splitlines()
    listed = dict(row.split(maxsplit=1) for row in rows)
    assert listed.keys() == main.commands.keys()
    assert [text for text in listed.values() if text.endswith("...")] == []


def test_the_version_is_that_of_the_package() -> None:
    done = Commands({})("--version")

    assert done.stdout == f"session-service, version {version('session-service')}\n"
