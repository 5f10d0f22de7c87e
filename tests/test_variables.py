"""A variable that looks like a setting but is not one is refused; other variables are ignored."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from config.settings import Settings
from config.variables import UnknownVariable

NAMED_LIKE_OURS = {
    "SESSIONS_JWT_AUDIENCES": "SESSIONS_JWT_AUDIENCE",
    "SESSIONS_JWTISSUER": "SESSIONS_JWT_ISSUER",
    "sessions_jwt_secert": "SESSIONS_JWT_SECRET",
    "SESSIONS_MAX_BODY": "SESSIONS_MAX_BODY_BYTES",
    "SESSIONS_SERVICE_PORTS": "SESSIONS_METRICS_PORT",
    "SESSIONS_METRIC_PORT": "SESSIONS_METRICS_PORT",
}
# What Kubernetes sets for the Services "sessions" and "sessions-db", except SESSIONS_PORT.
OF_SERVICES = {
    "SESSIONS_SERVICE_HOST": "10.0.0.7",
    "SESSIONS_SERVICE_PORT": "80",
    "SESSIONS_SERVICE_PORT_HTTP": "80",
    "SESSIONS_PORT_80_TCP": "tcp://10.0.0.7:80",
    "SESSIONS_PORT_80_TCP_PROTO": "tcp",
    "SESSIONS_PORT_80_TCP_PORT": "80",
    "SESSIONS_PORT_80_TCP_ADDR": "10.0.0.7",
    "SESSIONS_DB_SERVICE_HOST": "10.0.0.8",
    "SESSIONS_DB_PORT": "tcp://10.0.0.8:27017",
    "SESSIONS_DB_PORT_27017_TCP_ADDR": "10.0.0.8",
}


@pytest.mark.parametrize("name", NAMED_LIKE_OURS)
def test_a_typo_is_refused_with_the_name_that_was_meant(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "value")

    with pytest.raises(UnknownVariable) as raised:
        Settings(_env_file=None)

    assert f"did you mean {NAMED_LIKE_OURS[name]}?" in str(raised.value)
    assert "value" not in str(raised.value)


def test_a_typo_in_the_env_file_is_refused_and_variables_of_others_are_not(
    tmp_path: Path,
) -> None:
    file = tmp_path / ".env"
    good = "MONGO_KEY=of compose\nSESSIONS_PORT=9000\n"
    file.write_text(good)
    settings = Settings(_env_file=file)
    file.write_text(f"{good}SESSIONS_JWT_AUDIENCES=us\n")

    with pytest.raises(UnknownVariable):
        Settings(_env_file=file)

    assert settings.port == 9000


def test_variables_of_kubernetes_services_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OF_SERVICES.items():
        monkeypatch.setenv(name, value)

    assert Settings(_env_file=None).port == 8000


@pytest.mark.parametrize("name", ["SESSIONS_PORT", "SESSIONS_METRICS_PORT"])
def test_a_service_named_like_a_setting_is_refused_with_a_remedy(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "tcp://10.0.0.7:80")

    with pytest.raises(ValidationError, match="Set enableServiceLinks: false"):
        Settings(_env_file=None)
