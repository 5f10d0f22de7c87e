"""Tokens from the command line are accepted by the service with the same settings."""

import json
from base64 import urlsafe_b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from config.settings import Settings
from service.auth.configured import authenticator_for
from service.auth.development import SECRET_FILE, development_secret
from service.domain.access import Caller
from tests.cli.commands import Commands

SECRET = "a secret of the tests, long enough for HS256"


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


async def caller_of(token: str, **settings: Any) -> Caller:
    authenticator = authenticator_for(Settings(_env_file=None, **settings))
    return await authenticator.caller(f"Bearer {token}")


async def test_a_token_names_its_user_and_scopes() -> None:
    run = Commands({"SESSIONS_JWT_SECRET": SECRET})

    done = run("token", "--user", "bob", "--scope", "a", "--scope", "sessions:agent:x")

    caller = await caller_of(done.stdout.strip(), jwt_secret=SecretStr(SECRET))
    assert caller == Caller(user_id="bob", scopes=frozenset({"a", "sessions:agent:x"}))


async def test_a_token_has_the_issuer_audience_and_algorithm_from_the_settings() -> None:
    named = {"jwt_issuer": "us", "jwt_audience": "you", "jwt_algorithms": "HS512,HS256"}
    run = Commands(
        {"SESSIONS_JWT_SECRET": SECRET}
        | {f"SESSIONS_{name.upper()}": value for name, value in named.items()}
    )

    done = run("token", "--user", "bob")

    caller = await caller_of(done.stdout.strip(), jwt_secret=SecretStr(SECRET), **named)
    assert caller.user_id == "bob"


@pytest.mark.parametrize(
    ("lifetime", "lifetime_s"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("1h", 3600), ("7d", 604_800)],
)
def test_a_lifetime_is_in_seconds_or_has_a_unit(lifetime: str, lifetime_s: int) -> None:
    run = Commands({"SESSIONS_JWT_SECRET": SECRET})

    done = run("token", "--user", "bob", "--lifetime", lifetime)

    claims = claims_of(done.stdout)
    assert claims["exp"] - claims["iat"] == lifetime_s


@pytest.mark.parametrize("lifetime", ["", "soon", "1w", "-1", "1.5h", "1 h", "१h"])
def test_an_invalid_lifetime_is_a_usage_error(lifetime: str) -> None:
    run = Commands({"SESSIONS_JWT_SECRET": SECRET})

    done = run("token", "--user", "bob", "--lifetime", lifetime)

    assert done.exit_code == 2
    assert "neither seconds nor like 30m, 1h or 7d" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--user", ""], "user_id: must be 1 to 256"),
        (["--user", "bob", "--lifetime", "0"], "lifetime_s: must be 1 to"),
        (["--user", "bob", "--lifetime", "9999d"], "lifetime_s: must be 1 to"),
        (["--user", "bob", "--scope", ""], "scopes: must be"),
    ],
)
def test_a_token_that_no_service_would_accept_is_not_made(
    arguments: list[str], problem: str
) -> None:
    run = Commands({"SESSIONS_JWT_SECRET": SECRET})

    done = run("token", *arguments)

    assert done.exit_code == 1
    assert done.stdout == ""
    assert problem in done.stderr


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"SESSIONS_JWKS_URL": "https://issuer.example/keys"}, "SESSIONS_JWT_SECRET: is not set"),
        ({"SESSIONS_JWT_PUBLIC_KEY_FILE": "key.pem"}, "SESSIONS_JWT_SECRET: is not set"),
        ({"SESSIONS_JWT_SECRET": "short"}, "SESSIONS_JWT_SECRET: must be 32 bytes or longer"),
        ({"SESSIONS_MONGO_URL": "mongodb://h"}, "with SESSIONS_MONGO_URL there is no default"),
        (
            {"SESSIONS_JWT_SECRET": SECRET, "SESSIONS_JWT_USER_CLAIM": "email"},
            "SESSIONS_JWT_USER_CLAIM: tokens that are made here",
        ),
    ],
)
def test_settings_that_allow_no_token_are_named(settings: dict[str, str], problem: str) -> None:
    run = Commands(settings)

    done = run("token", "--user", "bob")

    assert done.exit_code == 1
    assert done.stdout == ""
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


async def test_without_a_key_the_folder_keeps_a_secret_no_one_else_can_read(
    tmp_path: Path,
) -> None:
    run = Commands({"SESSIONS_DATA_DIR": str(tmp_path / "data")})

    first, second = (run("token", "--user", user).stdout.strip() for user in ("ann", "bob"))

    file = tmp_path / "data" / SECRET_FILE
    secret = SecretStr(file.read_text())
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert len(urlsafe_b64decode(f"{secret.get_secret_value()}=")) == 32
    assert (await caller_of(first, jwt_secret=secret)).user_id == "ann"
    assert (await caller_of(second, jwt_secret=secret)).user_id == "bob"


def test_concurrent_requests_for_the_secret_all_get_the_same_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(development_secret, [tmp_path / "data"] * 32))

    assert len(secrets) == 1
    assert [file.name for file in (tmp_path / "data").iterdir()] == [SECRET_FILE]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64])
def test_a_damaged_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SECRET_FILE).write_bytes(content)
    run = Commands({"SESSIONS_DATA_DIR": str(tmp_path)})

    done = run("token", "--user", "bob")

    assert done.exit_code == 1
    assert str(tmp_path / SECRET_FILE) in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    run = Commands({"SESSIONS_DATA_DIR": str(tmp_path / "data")})

    done = run("token", "--user", "bob")

    assert done.exit_code == 1
    assert "SESSIONS_DATA_DIR: cannot keep a secret" in done.stderr
