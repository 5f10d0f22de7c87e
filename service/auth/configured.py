"""The authenticator that the settings describe."""

import time

from config.settings import Settings
from service.auth.algorithms import Family, family_of
from service.auth.claims import ClaimRules
from service.auth.errors import ConfigurationError
from service.auth.hmac_secret import checked_secret
from service.auth.jwks import JwksKeys, WhenAsked, unwatched
from service.auth.keys import Key, KeySource, OneKey
from service.auth.pem import public_key_from
from service.auth.tokens import Authenticator, Clock


def authenticator_for(
    settings: Settings, *, clock: Clock = time.time, when_asked: WhenAsked = unwatched
) -> Authenticator:
    """Return the authenticator; a key set is not fetched before the first token.

    `when_asked` is told of each fetch of a key set.

    Raises:
        ConfigurationError: tokens could not be checked, or not safely.
    """
    default = "HS256" if settings.jwt_secret is not None else "RS256"
    algorithms = settings.jwt_algorithms or (default,)
    rules = ClaimRules(
        user_claim=settings.jwt_user_claim,
        leeway_s=settings.jwt_leeway_s,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
    )
    keys = _keys(settings, algorithms, when_asked)
    return Authenticator(keys, algorithms, rules, clock=clock)


def _keys(settings: Settings, algorithms: tuple[str, ...], when_asked: WhenAsked) -> KeySource:
    family = family_of(algorithms)
    if settings.jwt_secret is not None:
        return _one_key(Key(checked_secret(settings.jwt_secret.get_secret_value())), algorithms)
    if settings.jwt_public_key_file is not None:
        return _one_key(Key(public_key_from(settings.jwt_public_key_file)), algorithms)
    if settings.jwks_url is not None:
        if family is Family.HMAC:
            raise ConfigurationError(
                "SESSIONS_JWT_ALGORITHMS", "must be RS*, PS* or ES* beside SESSIONS_JWKS_URL."
            )
        return JwksKeys(settings.jwks_url, family, when_asked=when_asked)
    raise ConfigurationError(
        "SESSIONS_JWT_SECRET, SESSIONS_JWT_PUBLIC_KEY_FILE or SESSIONS_JWKS_URL",
        "set one of them: without a key no token can be checked.",
    )


def _one_key(key: Key, algorithms: tuple[str, ...]) -> OneKey:
    unfit = [algorithm for algorithm in algorithms if not key.fits(algorithm)]
    if unfit:
        raise ConfigurationError(
            "SESSIONS_JWT_ALGORITHMS",
            f"{', '.join(unfit)} does not work with the configured key: name HS* for a "
            "secret, RS* or PS* for an RSA key, for an EC key the ES* of its curve.",
        )
    return OneKey(key)
