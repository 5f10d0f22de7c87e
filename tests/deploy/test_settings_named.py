"""Manifests, compose and the image name settings that exist, and omit none without a reason."""

import re
from collections.abc import Callable
from itertools import chain

import pytest

from config.settings import Settings
from tests.deploy.compose import services
from tests.deploy.dockerfile import values
from tests.deploy.manifests import DEPLOYED, containers, settings_of

# What the manifests leave at its default, and why.
LEFT_OUT = {
    "SESSIONS_MONGO_URL": "It comes from a file.",
    "SESSIONS_JWT_SECRET": "It comes from a file.",
    "SESSIONS_LLM_API_KEY": "It comes from a file.",
    "SESSIONS_HOST": "The image sets it.",
    "SESSIONS_TRACES_URL": "A choice of the cluster: the address of its collector.",
    "SESSIONS_MONGO_DRIVER": "The default is the required one; switching is a decision.",
    "SESSIONS_DATA_DIR": "Only the embedded MongoDB has a data folder.",
    "SESSIONS_MAX_HEADER_BYTES": "The default fits every client.",
    "SESSIONS_MAX_HEADER_LINES": "The default fits every client.",
    "SESSIONS_HEADER_TIMEOUT_S": "The default fits every network.",
    "SESSIONS_BODY_TIMEOUT_S": "The default fits every network.",
    "SESSIONS_SEND_TIMEOUT_S": "The default fits every network.",
    "SESSIONS_DRAIN_S": "The preStop sleep drains already; the default is added to the grace.",
    "SESSIONS_MAX_CONNECTIONS": "The default is more than one process can serve.",
    "SESSIONS_MAX_REQUESTS_IN_FLIGHT": "The default is more than one process can serve.",
    "SESSIONS_CORS_ORIGINS": "A choice of the product: which pages call the service.",
    "SESSIONS_LOG_LEVEL": "The default logs what goes wrong.",
    "SESSIONS_SWEEP_INTERVAL_S": "The default fits every size.",
    "SESSIONS_TEXT_SEARCH": "A choice of the product: it makes appends more expensive.",
    "SESSIONS_LLM_MAX_RETRIES": "The default fits every model.",
    "SESSIONS_LLM_MAX_TOKENS_FIELD": "It depends on the model, which is named elsewhere.",
    "SESSIONS_DELETE_GRACE_S": "The default follows from SESSIONS_MONGO_TIMEOUT_S.",
    "SESSIONS_REQUESTS_PER_MINUTE": "A choice of the product: how many requests one user may make.",
    "SESSIONS_JWT_PUBLIC_KEY_FILE": "One kind of key only: prod has a key set, dev a secret.",
    "SESSIONS_JWT_ALGORITHMS": "The default follows from the kind of key.",
    "SESSIONS_JWT_SECRET_PREVIOUS": "Only while a key is changed; a key set needs none.",
    "SESSIONS_JWT_SECRET_PREVIOUS_FILE": "The same.",
    "SESSIONS_JWT_PUBLIC_KEY_PREVIOUS_FILE": "The same.",
    "SESSIONS_JWT_SCOPE_CLAIM": "The usual claims are read in any case.",
    "SESSIONS_JWT_USER_CLAIM": "Every usual issuer names the user in `sub`.",
    "SESSIONS_JWT_LEEWAY_S": "The default covers clocks that are kept by NTP.",
}


def of_kubernetes() -> set[str]:
    named = chain.from_iterable(
        [
            *settings_of(overlay),
            *(v["name"] for _, c in containers(overlay) for v in c.get("env", [])),
        ]
        for overlay in DEPLOYED
    )
    return {name for name in named if name.startswith("SESSIONS_")}


def of_compose() -> set[str]:
    ours = [s for s in services().values() if s["image"].startswith("session-service")]
    return {name for service in ours for name in service["environment"]}


def of_image() -> set[str]:
    return set(re.findall(r"(SESSIONS_\w+)=", " ".join(values("runtime", "ENV"))))


def existing() -> set[str]:
    return {f"SESSIONS_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("named", [of_kubernetes, of_compose, of_image])
def test_every_setting_that_is_named_exists(named: Callable[[], set[str]]) -> None:
    assert named() <= existing()


def test_every_setting_is_in_the_manifests_or_left_out_for_a_reason() -> None:
    assert existing() - of_kubernetes() == set(LEFT_OUT)


@pytest.mark.parametrize("overlay", DEPLOYED)
def test_the_service_starts_with_the_settings_of_the_manifests(
    overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings_of(overlay).items():
        monkeypatch.setenv(name, value)

    settings = Settings(_env_file=None)

    assert settings.mongo_database == "sessions"
