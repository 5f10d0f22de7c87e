"""Conversations are imported once, whatever happens, and exported as they were imported."""

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

from tests.cli.commands import Commands, Line, environment, lines_of, write_lines
from tests.cli.conversations import EVERYTHING, generated
from tests.dialogues import dialogues
from tests.running import COMMAND

SAMPLE = 25


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "dialogues.jsonl", dialogues(SAMPLE))


def sent(message: Line) -> Line:
    """Return the fields of an exported message that its sender wrote."""
    return {field: message[field] for field in message.keys() - {"id", "created_at", "client_key"}}


def outside(commands: Commands) -> dict[str, str]:
    """Return the environment of the commands for a separate process."""
    changes = environment(commands.settings)
    return {name: v for name, v in {**os.environ, **changes}.items() if v is not None}


def test_imported_dialogues_come_out_complete_and_in_order(run: Commands, sample: Path) -> None:
    done = run("import", sample, "--user", "alice")

    assert done.exit_code == 0, done.stderr
    exported = {line["key"]: line for line in run.exported()}
    for dialogue in dialogues(SAMPLE):
        line = exported.pop(dialogue["dialogue_id"])
        assert (line["user_id"], line["agent_id"]) == ("alice", dialogue["services"][0])
        assert [sent(message) for message in line["messages"]] == dialogue["messages"]
    assert exported == {}


def test_an_import_counts_what_it_stored(run: Commands, sample: Path) -> None:
    messages = sum(len(dialogue["messages"]) for dialogue in dialogues(SAMPLE))

    done = run("import", sample, "--user", "alice")

    assert done.stderr == (
        f"conversations: {SAMPLE} new, 0 already there, 0 failed; "
        f"messages: {messages} new, 0 already there; profiles: 0 new, 0 already there\n"
    )


def test_importing_twice_stores_nothing_twice(run: Commands, sample: Path) -> None:
    run("import", sample, "--user", "alice")
    once = run("export").stdout
    messages = sum(len(dialogue["messages"]) for dialogue in dialogues(SAMPLE))

    done = run("import", sample, "--user", "alice")

    assert done.stderr == (
        f"conversations: 0 new, {SAMPLE} already there, 0 failed; "
        f"messages: 0 new, {messages} already there; profiles: 0 new, 0 already there\n"
    )
    assert run("export").stdout == once


def test_a_conversation_twice_in_one_file_is_stored_once(run: Commands, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "twice.jsonl", [generated("d", 150)] * 5)

    run("import", file, "--user", "alice")

    assert [len(line["messages"]) for line in run.exported()] == [150]


def test_an_export_imported_elsewhere_is_exported_unchanged(
    run: Commands, run_elsewhere: Commands, sample: Path, tmp_path: Path
) -> None:
    run("import", sample, "--user", "alice")
    run("import", write_lines(tmp_path / "one.jsonl", [EVERYTHING]))
    run("export", tmp_path / "out.jsonl")

    run_elsewhere("import", tmp_path / "out.jsonl")

    assert run_elsewhere("export").stdout_bytes == (tmp_path / "out.jsonl").read_bytes()


def test_a_restored_conversation_keeps_everything_it_had(run: Commands, tmp_path: Path) -> None:
    run("import", write_lines(tmp_path / "one.jsonl", [EVERYTHING]))

    assert run.exported() == [EVERYTHING]


def test_importing_an_export_back_where_it_came_from_stores_nothing(
    run: Commands, sample: Path, tmp_path: Path
) -> None:
    run("import", sample, "--user", "alice")
    run("export", tmp_path / "out.jsonl")

    run("import", tmp_path / "out.jsonl")

    assert run("export").stdout_bytes == (tmp_path / "out.jsonl").read_bytes()


def test_importing_the_first_file_again_after_a_restore_stores_nothing_twice(
    run: Commands, run_elsewhere: Commands, sample: Path, tmp_path: Path
) -> None:
    run("import", sample, "--user", "alice")
    run("export", tmp_path / "out.jsonl")
    run_elsewhere("import", tmp_path / "out.jsonl")

    run_elsewhere("import", sample, "--user", "alice")

    assert run_elsewhere("export").stdout_bytes == (tmp_path / "out.jsonl").read_bytes()


def test_a_conversation_that_has_grown_gets_its_new_messages(run: Commands, tmp_path: Path) -> None:
    run("import", write_lines(tmp_path / "d.jsonl", [generated("d", 3)]), "--user", "alice")

    done = run("import", write_lines(tmp_path / "d.jsonl", [generated("d", 5)]), "--user", "alice")

    assert "messages: 2 new, 3 already there" in done.stderr
    [line] = run.exported()
    assert [sent(message) for message in line["messages"]] == generated("d", 5)["messages"]


def test_an_import_killed_in_the_middle_continues_where_it_stopped(
    run: Commands, mongo_url: str, tmp_path: Path
) -> None:
    long = generated("long", 5000)
    file = write_lines(tmp_path / "long.jsonl", [long])
    command = [COMMAND, "import", str(file), "--user", "alice"]

    with (
        MongoClient[dict[str, Any]](mongo_url) as client,
        subprocess.Popen(command, env=outside(run)) as killed,
    ):
        history = client[run.settings["SESSIONS_MONGO_DATABASE"]]["history"]
        while not history.find_one() and killed.poll() is None:
            time.sleep(0.002)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        stored = history.count_documents({})
    done = run("import", file, "--user", "alice")

    assert 0 < stored < 5000
    assert done.exit_code == 0, done.stderr
    [line] = run.exported()
    assert [sent(message) for message in line["messages"]] == long["messages"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "conversation: is not JSON: "),
        ("[]", "conversation: Input should be an object"),
        ("\ud800", "conversation: is not JSON: "),
        ('{"key": "k", "messages": [], "agent_id": "a"}', "user_id: is missing"),
        ('{"key": "k", "messages": [], "user_id": "u"}', "agent_id: is missing"),
        ('{"user_id": "u", "agent_id": "a", "messages": []}', "session_id: is missing"),
        ('{"key": "k", "user_id": "u", "agent_id": "a"}', "messages: Field required"),
        ('{"session_id": "7", "messages": []}', "session_id: Input should be a valid UUID"),
        ('{"key": "", "user_id": "u", "agent_id": "a", "messages": []}', "key: must be 1 to 256"),
        ('{"key": "k", "messages": [{"role": "robot"}]}', "messages.0.role: Input should be"),
        (
            '{"key": "k", "user_id": "u", "agent_id": "a", "messages": [{"role": "user"}]}',
            "messages.0: content: is missing",
        ),
        (
            '{"key": "k", "messages": [{"role": "user", "created_at": "2024-01-01T00:00:00"}]}',
            "messages.0.created_at: Input should have timezone info",
        ),
        (
            '{"key": "k", "messages": [], "created_at": "0001-01-01T00:00:00+14:00"}',
            "created_at: must lie in the years 1 to 9999",
        ),
    ],
)
def test_a_bad_line_is_reported_and_the_others_are_imported(
    run: Commands, line: str, problem: str
) -> None:
    good = [json.dumps(generated(f"d{n}", 2) | {"user_id": "alice"}) for n in range(2)]
    file = "\n".join([good[0], "", line, good[1]]).encode(errors="surrogatepass")

    done = run("import", "-", typed=file)

    assert done.exit_code == 1
    assert done.stderr.startswith(f"line 3: {problem}")
    assert "conversations: 2 new, 0 already there, 1 failed" in done.stderr
    assert {line["key"] for line in run.exported()} == {"d0", "d1"}


def test_a_conversation_with_one_bad_message_is_not_stored_at_all(run: Commands) -> None:
    line = generated("d", 3)
    line["messages"].append({"role": "user", "content": "x" * 300_000})

    done = run("import", "-", "--user", "alice", typed=json.dumps(line).encode())

    assert done.stderr.startswith("line 1: messages.3: content is 300000 bytes long")
    assert run.exported() == []


def test_another_conversation_under_the_same_name_fails_and_changes_nothing(
    run: Commands, tmp_path: Path
) -> None:
    run("import", write_lines(tmp_path / "d.jsonl", [generated("d", 3)]), "--user", "alice")
    once = run("export").stdout
    other = generated("d", 3)
    other["messages"][1]["content"] = "something else"

    done = run("import", "-", "--user", "alice", typed=json.dumps(other).encode())

    assert done.exit_code == 1
    assert done.stderr.startswith("line 1: messages.1: already exists with different content")
    assert run("export").stdout == once


@pytest.mark.parametrize("field", ["user_id", "agent_id"])
def test_another_users_session_is_not_changed(run: Commands, tmp_path: Path, field: str) -> None:
    run("import", write_lines(tmp_path / "one.jsonl", [EVERYTHING]))
    longer = [*EVERYTHING["messages"], {"role": "user", "content": "mine"}]
    foreign = EVERYTHING | {field: "mallory", "messages": longer}

    done = run("import", "-", typed=json.dumps(foreign).encode())

    assert done.exit_code == 1
    assert done.stderr.startswith(f"line 1: {field}: a session with this id already exists")
    assert run.exported() == [EVERYTHING]


def test_a_key_of_another_session_is_reported(run: Commands, tmp_path: Path) -> None:
    run("import", write_lines(tmp_path / "one.jsonl", [EVERYTHING]))
    same_key = EVERYTHING | {"session_id": str(uuid4())}

    done = run("import", "-", typed=json.dumps(same_key).encode())

    assert done.exit_code == 1
    assert "line 1: " in done.stderr
    assert "'trip/2026'" in done.stderr


def test_the_user_in_a_line_takes_precedence_over_the_option(run: Commands) -> None:
    owned = [generated("a", 1) | {"user_id": "bob", "agent_id": "b"}, generated("c", 1)]
    typed = "\n".join(map(json.dumps, owned)).encode()

    run("import", "-", "--user", "alice", "--agent", "given", typed=typed)

    owners = {line["key"]: (line["user_id"], line["agent_id"]) for line in run.exported()}
    assert owners == {"a": ("bob", "b"), "c": ("alice", "service")}


def test_an_export_of_one_user_or_agent_contains_no_other(run: Commands) -> None:
    names = [(user, agent) for user in ("alice", "bob") for agent in ("x", "y")]
    lines = [
        {"user_id": user, "agent_id": agent, "key": agent, "messages": []} for user, agent in names
    ]
    run("import", "-", typed="\n".join(map(json.dumps, lines)).encode())

    of_alice = run.exported("--user", "alice")
    of_x = run.exported("--agent", "x")
    of_both = run.exported("--user", "bob", "--agent", "y")

    assert [line["user_id"] for line in of_alice] == ["alice"] * 2
    assert [line["agent_id"] for line in of_x] == ["x"] * 2
    assert [(line["user_id"], line["agent_id"]) for line in of_both] == [("bob", "y")]


def test_an_empty_user_does_not_mean_every_user(run: Commands) -> None:
    done = run("export", "--user", "")

    assert done.exit_code == 2
    assert "must not be empty" in done.stderr


def test_an_export_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "backup.jsonl"
    file.write_text("the last good one\n")
    away = Commands(
        {"SESSIONS_MONGO_URL": "mongodb://127.0.0.1:1", "SESSIONS_MONGO_TIMEOUT_S": "0.5"}
    )

    done = away("export", file)

    assert done.exit_code == 1
    assert done.stderr == (
        "Error: Nothing listens at a host and port in SESSIONS_MONGO_URL (127.0.0.1:1).\n"
    )
    assert file.read_text() == "the last good one\n"
    assert list(tmp_path.iterdir()) == [file]


def test_an_export_to_a_device_leaves_the_device_in_place(run: Commands) -> None:
    done = run("export", "/dev/null")

    assert done.exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_a_missing_file_is_a_usage_error(run: Commands) -> None:
    done = run("import", "nowhere.jsonl")

    assert done.exit_code == 2
    assert "nowhere.jsonl" in done.stderr


def test_a_terminal_shows_a_bar_and_a_pipe_does_not(run: Commands, sample: Path) -> None:
    terminal, its_end = pty.openpty()

    subprocess.run(
        [COMMAND, "import", str(sample), "--user", "alice"],
        env=outside(run),
        stderr=its_end,
        check=True,
    )
    os.close(its_end)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)

    assert "Importing" in shown
    assert "100%" in shown
    assert "Importing" not in run("import", sample, "--user", "alice").stderr


def test_an_interrupted_line_of_an_export_is_refused_on_import(run: Commands, sample: Path) -> None:
    run("import", sample, "--user", "alice")
    text = run("export").stdout

    done = run("import", "-", typed=text[:-10].encode())

    assert done.stderr.startswith(f"line {SAMPLE}: conversation: is not JSON: ")
    assert len(lines_of(run("export").stdout)) == SAMPLE
