"""The settings: documented completely, and refused when they make no sense."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.settings import Settings

ROOT = Path(__file__).parent.parent
FIXED_NAMES = {
    *("SESSIONS_HOST", "SESSIONS_PORT", "SESSIONS_MONGO_URL", "SESSIONS_MONGO_DATABASE"),
    *("SESSIONS_DATA_DIR", "SESSIONS_JWT_SECRET", "SESSIONS_JWT_ALGORITHMS"),
    *("SESSIONS_JWT_ISSUER", "SESSIONS_JWT_AUDIENCE", "SESSIONS_JWKS_URL"),
}


def variables() -> dict[str, tuple[str, str]]:
    """Return each variable with its default, as it is written, and its description."""
    return {
        f"SESSIONS_{name.upper()}": (
            "" if field.default in (None, (), {}) else str(field.default),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    }


def test_the_readme_lists_every_setting_with_its_default() -> None:
    rows = re.findall(
        r"^\| `(SESSIONS_\w+)` \| (?:`(.*?)`|not set) \| (.*) \|$",
        (ROOT / "README.md").read_text(),
        re.MULTILINE,
    )

    assert {name: (default, text) for name, default, text in rows} == variables()


def test_the_example_file_holds_every_setting_with_its_default() -> None:
    text = (ROOT / "config" / ".env.example").read_text()

    rows = re.findall(r"^# (.*)\n(SESSIONS_\w+)=(.*)$", text, re.MULTILINE)

    assert {name: (default, text) for text, name, default in rows} == variables()


def test_the_names_users_rely_on_are_there() -> None:
    assert variables().keys() >= FIXED_NAMES


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSIONS_PORT", "9000")
    monkeypatch.setenv("SESSIONS_JWT_ALGORITHMS", "HS256, HS512")

    settings = Settings(_env_file=None)

    assert settings.port == 9000
    assert settings.jwt_algorithms == ("HS256", "HS512")


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Settings(_env_file=None, **values)


def test_secrets_are_not_shown() -> None:
    settings = Settings(_env_file=None, jwt_secret="very secret", mongo_url="mongodb://u:pw@h")

    assert "very secret" not in repr(settings)
    assert "pw" not in repr(settings)
