"""The indexes are created, or what is missing is listed with its reason."""

from tests.cli.commands import Commands


def test_missing_indexes_are_listed_with_their_reason(run: Commands) -> None:
    done = run("indexes", "--check")

    assert done.exit_code == 1
    assert "sessions.user_id_key: A key names one session of its owner" in done.stderr
    assert "history.session_client_key: " in done.stderr


def test_a_check_creates_nothing(run: Commands) -> None:
    run("indexes", "--check")

    assert run("indexes", "--check").exit_code == 1


def test_created_indexes_exist(run: Commands) -> None:
    created = run("indexes")

    checked = run("indexes", "--check")

    assert (created.exit_code, created.stdout) == (0, "All indexes exist.\n")
    assert (checked.exit_code, checked.stdout) == (0, "All indexes exist.\n")
