"""Tokens that operators make themselves, for development and for backends."""

import time
from collections.abc import Iterable

from jose import jws

from service.auth.algorithms import FAMILIES, Family
from service.auth.claims import MAX_LIFETIME_S, MAX_SCOPE_CHARS, MAX_SCOPES
from service.auth.header import MAX_TOKEN_CHARS
from service.auth.hmac_secret import checked_secret
from service.auth.text import is_name
from service.domain.errors import InvalidInput, TooLarge
from service.domain.rules import MAX_ID_CHARS


def mint(
    secret: str,
    *,
    user_id: str,
    scopes: Iterable[str],
    lifetime_s: int,
    issuer: str | None = None,
    audience: str | None = None,
    algorithm: str = "HS256",
) -> str:
    """Return a token for the user, valid from now on and accepted by this service.

    Raises:
        ConfigurationError: the secret is unfit.
        InvalidInput, TooLarge: no token with these values would be accepted.
    """
    granted = sorted(set(scopes))
    _check(user_id, granted, lifetime_s, algorithm)
    now_s = int(time.time())
    claims = {"sub": user_id, "iat": now_s, "exp": now_s + lifetime_s, "scopes": granted}
    named = {"iss": issuer, "aud": audience}
    claims |= {claim: value for claim, value in named.items() if value is not None}
    token: str = jws.sign(claims, checked_secret(secret), algorithm=algorithm)
    if len(token) > MAX_TOKEN_CHARS:
        raise TooLarge("token", len(token), MAX_TOKEN_CHARS)
    return token


def _check(user_id: str, scopes: list[str], lifetime_s: int, algorithm: str) -> None:
    if not is_name(user_id, MAX_ID_CHARS):
        raise InvalidInput("user_id", f"must be 1 to {MAX_ID_CHARS} printable characters.")
    if len(scopes) > MAX_SCOPES or not all(is_name(scope, MAX_SCOPE_CHARS) for scope in scopes):
        raise InvalidInput(
            "scopes", f"must be at most {MAX_SCOPES}, each 1 to {MAX_SCOPE_CHARS} characters."
        )
    if not 1 <= lifetime_s <= MAX_LIFETIME_S:
        raise InvalidInput("lifetime_s", f"must be 1 to {MAX_LIFETIME_S} seconds.")
    if FAMILIES.get(algorithm) is not Family.HMAC:
        raise InvalidInput("algorithm", "must be HS256, HS384 or HS512.")
