"""The authenticator that the settings describe."""

import time

from config.settings import Settings
from service.auth.algorithms import Family, family_of
from service.auth.claims import ClaimRules
from service.auth.errors import ConfigurationError
from service.auth.hmac_secret import checked_secret
from service.auth.jwks import JwksKeys, OnFetch, unwatched
from service.auth.keys import ConfiguredKeys, Key, KeySource
from service.auth.pem import public_key_from
from service.auth.tokens import Authenticator, Clock


def authenticator_for(
    settings: Settings, *, clock: Clock = time.time, on_fetch: OnFetch = unwatched
) -> Authenticator:
    """Return the authenticator; a key set is not fetched before the first token.

    `on_fetch` is called after each attempt to fetch a key set.

    Raises:
        ConfigurationError: tokens could not be checked, or not safely.
    """
    default = "HS256" if settings.jwt_secret is not None else "RS256"
    algorithms = settings.jwt_algorithms or (default,)
    rules = ClaimRules(
        user_claim=settings.jwt_user_claim,
        leeway_s=settings.jwt_leeway_s,
        issuer=settings.jwt_issuer,
        audiences=frozenset(settings.jwt_audience),
        scope_claim=settings.jwt_scope_claim,
    )
    keys = _keys(settings, algorithms, on_fetch)
    return Authenticator(keys, algorithms, rules, clock=clock)


def _keys(settings: Settings, algorithms: tuple[str, ...], on_fetch: OnFetch) -> KeySource:
    family = family_of(algorithms)
    if settings.jwks_url is not None:
        if family is Family.HMAC:
            raise ConfigurationError(
                "SESSIONS_JWT_ALGORITHMS", "must be RS*, PS* or ES* with SESSIONS_JWKS_URL."
            )
        return JwksKeys(settings.jwks_url, family, on_fetch=on_fetch)
    keys = _configured_keys(settings)
    for variable, key in keys.items():
        _require_fit(variable, key, algorithms)
    return ConfiguredKeys(*keys.values())


def _configured_keys(settings: Settings) -> dict[str, Key]:
    """Return the current key by its variable, then the previous one, if any."""
    secrets = {
        "SESSIONS_JWT_SECRET": settings.jwt_secret,
        "SESSIONS_JWT_SECRET_PREVIOUS": settings.jwt_secret_previous,
    }
    files = {
        "SESSIONS_JWT_PUBLIC_KEY_FILE": settings.jwt_public_key_file,
        "SESSIONS_JWT_PUBLIC_KEY_PREVIOUS_FILE": settings.jwt_public_key_previous_file,
    }
    keys = {
        variable: Key(checked_secret(secret.get_secret_value(), variable))
        for variable, secret in secrets.items()
        if secret is not None
    } | {
        variable: Key(public_key_from(path, variable))
        for variable, path in files.items()
        if path is not None
    }
    if not keys:
        raise ConfigurationError(
            "SESSIONS_JWT_SECRET, SESSIONS_JWT_PUBLIC_KEY_FILE or SESSIONS_JWKS_URL",
            "set one of them: without a key no token can be verified.",
        )
    return keys


def _require_fit(variable: str, key: Key, algorithms: tuple[str, ...]) -> None:
    unfit = [algorithm for algorithm in algorithms if not key.fits(algorithm)]
    if unfit:
        raise ConfigurationError(
            "SESSIONS_JWT_ALGORITHMS",
            f"{', '.join(unfit)} does not work with the key of {variable}: name HS* for a "
            "secret, RS* or PS* for an RSA key, for an EC key the ES* of its curve.",
        )
