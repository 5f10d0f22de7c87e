"""Secrets can come from files, and no error about a secret shows it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from config.secret_files import MAX_SECRET_BYTES
from config.settings import Settings

SECRET = "a secret of the tests, from a file"
SECRETS = ("jwt_secret", "llm_api_key", "mongo_url")


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def problem_of(**values: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        settings(**values)
    return str(raised.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    return path


def test_every_secret_can_come_from_a_file() -> None:
    secrets = {n for n, f in Settings.model_fields.items() if f.annotation == SecretStr | None}

    assert secrets >= set(SECRETS)
    assert {f"{name}_file" for name in secrets} <= Settings.model_fields.keys()


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_read_from_its_file(
    file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SESSIONS_{name.upper()}_FILE", str(file))

    assert getattr(settings(), name).get_secret_value() == SECRET


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_trailing_newlines_are_not_part_of_a_secret(file: Path, end: str) -> None:
    file.write_bytes(f" {SECRET} {end}".encode())

    secret = settings(jwt_secret_file=file).jwt_secret

    assert secret == SecretStr(f" {SECRET} ")


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_and_its_file_together_are_refused(file: Path, name: str) -> None:
    problem = problem_of(**{name: SECRET, f"{name}_file": file})

    assert f"Set only one of SESSIONS_{name.upper()} and SESSIONS_{name.upper()}_FILE." in problem
    assert SECRET not in problem


def test_a_secret_from_a_file_and_another_kind_of_key_are_refused(file: Path) -> None:
    problem = problem_of(jwt_secret_file=file, jwks_url="https://issuer/keys")

    assert "Set only one of SESSIONS_JWT_SECRET, SESSIONS_JWT_PUBLIC_KEY_FILE and" in problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty; it must hold the secret, only."),
        (b"\n", "is empty; it must hold the secret, only."),
        (b"\xff" + SECRET.encode(), "it is not UTF-8 text."),
        (SECRET.encode() * MAX_SECRET_BYTES, f"is larger than {MAX_SECRET_BYTES} bytes"),
    ],
    ids=["empty", "a newline", "not text", "too large"],
)
def test_a_file_without_a_secret_is_refused(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)

    message = problem_of(jwt_secret_file=file)

    assert "SESSIONS_JWT_SECRET_FILE: " in message
    assert str(file) in message
    assert problem in message
    assert SECRET not in message


def test_a_missing_file_is_refused_and_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    message = problem_of(jwt_secret_file=missing)

    assert f"SESSIONS_JWT_SECRET_FILE: cannot read {missing}: No such file or directory." in message


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "Is a directory." in problem_of(jwt_secret_file=tmp_path)


def test_a_file_that_cannot_be_read_is_refused() -> None:
    # No one can read the memory at address 0, not even root.
    assert "Input/output error." in problem_of(jwt_secret_file="/proc/self/mem")


def test_validation_errors_never_show_the_value() -> None:
    assert SECRET not in problem_of(port=SECRET, jwt_secret=SECRET, mongo_url=[SECRET])
