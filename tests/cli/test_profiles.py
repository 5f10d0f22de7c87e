"""Profiles of users are imported and exported with the conversations, each once and unchanged."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.transfer.profile_line import Profile, is_profile, read_profile
from tests.cli.any_line import anything, is_refused_or_read
from tests.cli.commands import Commands, Line
from tests.cli.conversations import EVERYTHING

ALICE: Line = {
    "profile": {
        "user_id": "alice",
        "metadata": {"name": "Ann 🙂", "$set": {"a.b": [None, 1.5, "\u2028"]}},
        "created_at": "2024-02-29T23:59:59.999Z",
        "updated_at": "2024-03-01T00:00:00.001Z",
    }
}
BOB: Line = {"profile": ALICE["profile"] | {"user_id": "bob", "metadata": None}}
LINES = [ALICE, BOB, EVERYTHING]


def typed(*lines: Line) -> bytes:
    return "\n".join(map(json.dumps, lines)).encode()


def with_metadata(metadata: Line) -> Line:
    return {"profile": ALICE["profile"] | {"metadata": metadata}}


def test_imported_data_is_exported_unchanged_profiles_first(run: Commands) -> None:
    done = run("import", "-", typed=typed(EVERYTHING, BOB, ALICE))

    assert done.stderr == (
        "conversations: 1 new, 0 already there, 0 failed; "
        "messages: 3 new, 0 already there; profiles: 2 new, 0 already there\n"
    )
    assert run.exported() == LINES


def test_an_export_imported_elsewhere_is_exported_unchanged(
    run: Commands, run_elsewhere: Commands
) -> None:
    run("import", "-", typed=typed(*LINES))
    exported = run("export")

    run_elsewhere("import", "-", typed=exported.stdout_bytes)

    assert run_elsewhere("export").stdout_bytes == exported.stdout_bytes
    assert exported.stderr == "conversations: 1; messages: 3; profiles: 2\n"


def test_importing_twice_stores_nothing_twice(run: Commands) -> None:
    run("import", "-", typed=typed(*LINES))

    done = run("import", "-", typed=typed(*LINES, ALICE))

    assert "profiles: 0 new, 3 already there" in done.stderr
    assert run.exported() == LINES


def test_a_profile_with_other_metadata_fails_and_changes_nothing(run: Commands) -> None:
    run("import", "-", typed=typed(*LINES))

    done = run("import", "-", typed=typed(with_metadata({"name": "Mallory"}), BOB))

    assert done.exit_code == 1
    assert done.stderr.startswith("line 1: metadata: a profile for this user already exists")
    assert "1 failed" in done.stderr
    assert run.exported() == LINES


def test_an_export_of_one_user_or_agent_contains_no_other_profile(run: Commands) -> None:
    run("import", "-", typed=typed(*LINES))

    assert run.exported("--user", "alice") == [ALICE, EVERYTHING]
    assert run.exported("--user", "bob") == [BOB]
    assert run.exported("--agent", "agent") == [EVERYTHING]
    assert run.exported("--user", "bob", "--agent", "agent") == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"profile": {', "profile: is not JSON: "),
        (b'{"profile": 7}', "profile: Input should be"),
        (b'{"profile": {}}', "profile.user_id: Field required"),
        (b'{"profile": {"user_id": ""}}', "user_id: must be 1 to 256"),
        (
            b'{"profile": {"user_id": "u", "updated_at": "2024-01-01T00:00:00"}}',
            "profile.updated_at: Input should have timezone info",
        ),
        (typed(with_metadata({"long": "x" * 20_000})), "metadata"),
    ],
)
def test_a_bad_line_is_reported_and_the_others_are_imported(
    run: Commands, line: bytes, problem: str
) -> None:
    done = run("import", "-", typed=b"\n".join([typed(BOB), line, typed(EVERYTHING)]))

    assert done.exit_code == 1
    assert done.stderr.startswith(f"line 2: {problem}")
    assert run.exported() == [BOB, EVERYTHING]


@given(st.sampled_from(sorted(Profile.model_fields)), anything)
def test_any_value_in_a_field_of_a_profile_is_read_or_refused(field: str, value: Any) -> None:
    line = typed({"profile": ALICE["profile"] | {field: value}})

    assert is_profile(line)
    assert is_refused_or_read(read_profile, line)
