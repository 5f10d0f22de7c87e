"""A key changes without interruption: old and new are accepted until the old one is removed."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.settings import Settings
from service.auth.configured import authenticator_for
from service.auth.development import mint_for
from service.auth.errors import ConfigurationError
from service.auth.tokens import Authenticator
from service.domain.errors import Unauthenticated
from tests.auth.signing import (
    EC_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    FakeClock,
    bearer,
    claims,
    public_pem,
    rs256,
    signed,
)

OLD, NEW, OTHER = ("old " * 10, "new " * 10, "other " * 10)


def with_secrets(current: str, previous: str | None = None) -> Settings:
    return Settings(_env_file=None, jwt_secret=current, jwt_secret_previous=previous)


def token_of(settings: Settings) -> str:
    return bearer(mint_for(settings, "ann", (), lifetime_s=60))


async def is_accepted(authenticator: Authenticator, token: str) -> bool:
    try:
        return (await authenticator.caller(token)).user_id == "ann"
    except Unauthenticated as refusal:
        return refusal.reason != "wrong_signature"


async def test_both_secrets_are_accepted_and_the_current_one_signs() -> None:
    rotating = with_secrets(NEW, OLD)
    authenticator = authenticator_for(rotating)

    accepted = [
        await is_accepted(authenticator, token)
        for token in (
            token_of(with_secrets(OLD)),
            token_of(rotating),
            token_of(with_secrets(OTHER)),
        )
    ]

    assert accepted == [True, True, False]
    assert await is_accepted(authenticator_for(with_secrets(NEW)), token_of(rotating))


async def test_a_token_of_the_old_secret_is_refused_once_the_secret_is_removed() -> None:
    old = token_of(with_secrets(OLD))

    accepted = [
        await is_accepted(authenticator_for(settings), old)
        for settings in (with_secrets(OLD), with_secrets(NEW, OLD), with_secrets(NEW))
    ]

    assert accepted == [True, True, False]


@pytest.fixture
def pem_files(tmp_path: Path) -> dict[str, Path]:
    keys = {"new": RSA_KEY.public_key(), "old": OTHER_RSA_KEY.public_key()}
    files = {name: tmp_path / f"{name}.pem" for name in keys}
    for name, key in keys.items():
        files[name].write_bytes(public_pem(key))
    return files


async def test_both_public_keys_are_accepted(pem_files: dict[str, Path]) -> None:
    settings = Settings(
        _env_file=None,
        jwt_public_key_file=pem_files["new"],
        jwt_public_key_previous_file=pem_files["old"],
    )
    authenticator = authenticator_for(settings, clock=FakeClock())

    for key in (RSA_KEY, OTHER_RSA_KEY):
        token = bearer(signed({"alg": "RS256"}, claims(), rs256(key)))
        assert await is_accepted(authenticator, token)
        # Again, from the cache of verified tokens.
        assert await is_accepted(authenticator, token)


def test_the_previous_secret_comes_from_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "old"
    file.write_text(OLD)

    settings = Settings(_env_file=None, jwt_secret=NEW, jwt_secret_previous_file=file)

    assert settings.jwt_secret_previous is not None
    assert settings.jwt_secret_previous.get_secret_value() == OLD


@pytest.mark.parametrize(
    "settings",
    [
        {"jwt_secret_previous": OLD},
        {"jwt_public_key_previous_file": Path("old.pem")},
        {"jwt_secret": NEW, "jwt_public_key_previous_file": Path("old.pem")},
    ],
    ids=repr,
)
def test_a_previous_key_without_its_successor_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="is the key that another one replaces"):
        Settings(_env_file=None, **settings)


def test_a_previous_secret_must_meet_the_same_rules() -> None:
    with pytest.raises(ConfigurationError, match=r"^SESSIONS_JWT_SECRET_PREVIOUS: must be 32"):
        authenticator_for(with_secrets(NEW, "short"))


def test_a_previous_public_key_of_another_kind_is_refused(
    tmp_path: Path, pem_files: dict[str, Path]
) -> None:
    file = tmp_path / "ec.pem"
    file.write_bytes(public_pem(EC_KEY.public_key()))
    settings = Settings(
        _env_file=None,
        jwt_public_key_file=pem_files["new"],
        jwt_public_key_previous_file=file,
    )

    with pytest.raises(ConfigurationError, match="SESSIONS_JWT_PUBLIC_KEY_PREVIOUS_FILE"):
        authenticator_for(settings)
