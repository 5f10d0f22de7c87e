"""The settings: documented completely, and refused when they are invalid."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config import reference
from config.settings import Settings

ROOT = Path(__file__).parent.parent
FIXED_NAMES = {
    *("SESSIONS_HOST", "SESSIONS_PORT", "SESSIONS_MONGO_URL", "SESSIONS_MONGO_DATABASE"),
    *("SESSIONS_DATA_DIR", "SESSIONS_JWT_SECRET", "SESSIONS_JWT_ALGORITHMS"),
    *("SESSIONS_JWT_ISSUER", "SESSIONS_JWT_AUDIENCE", "SESSIONS_JWKS_URL"),
}


def test_the_pages_that_list_all_settings_are_up_to_date() -> None:
    assert reference.PAGE.read_text() == reference.page(), "Run make settings."
    assert reference.EXAMPLE.read_text() == reference.example(), "Run make settings."


def test_every_setting_is_described_in_a_sentence() -> None:
    settings = list(reference.settings())

    assert len(settings) > len(FIXED_NAMES)
    assert [s.variable for s in settings if not s.description.endswith(".")] == []


def test_the_names_users_rely_on_exist() -> None:
    assert {s.variable for s in reference.settings()} >= FIXED_NAMES


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSIONS_PORT", "9000")
    monkeypatch.setenv("SESSIONS_JWT_ALGORITHMS", "HS256, HS512")

    settings = Settings(_env_file=None)

    assert settings.port == 9000
    assert settings.jwt_algorithms == ("HS256", "HS512")


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSIONS_MONGO_URL", "")

    assert Settings(_env_file=None).mongo_url is None


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"port": 65536}, "less than or equal to 65535"),
        ({"port": "http"}, "valid integer"),
        ({"mongo_timeout_s": 0}, "greater than 0"),
        ({"mongo_driver": "sync"}, "'motor' or 'pymongo'"),
        ({"jwt_secret": "s" * 32, "jwks_url": "https://issuer/keys"}, "Set only one of"),
        ({"delete_grace_s": 20, "mongo_timeout_s": 5}, "SESSIONS_DELETE_GRACE_S must be at least"),
    ],
    ids=str,
)
def test_invalid_settings_are_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Settings(_env_file=None, **values)


def test_secrets_are_not_shown() -> None:
    settings = Settings(_env_file=None, jwt_secret="very secret", mongo_url="mongodb://u:pw@h")

    assert "very secret" not in repr(settings)
    assert "pw" not in repr(settings)
