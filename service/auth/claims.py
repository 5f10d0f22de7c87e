"""What the claims of a signed token must say, and the caller they name."""

import logging
from dataclasses import dataclass
from typing import Any

from service.auth.errors import Reason, refused
from service.auth.strict_json import parse_object
from service.auth.text import is_name
from service.domain.access import AGENT_SCOPE_PREFIX, Caller
from service.domain.rules import MAX_ID_CHARS

MAX_LIFETIME_S = 366 * 24 * 60 * 60
MAX_SCOPES = 100
MAX_SCOPE_CHARS = len(AGENT_SCOPE_PREFIX) + MAX_ID_CHARS
_MAX_DEPTH = 32
# The last second of the year 9999; anything later is not a date but a mistake.
_MAX_DATE_S = 253_402_300_799
SCOPE_CLAIMS = ("scope", "scopes", "scp")
# Auth0 puts the permissions of its roles into the first, Entra ID its app roles into the second.
ROLE_CLAIMS = ("permissions", "roles")
SCOPE_PREFIX = "sessions:"

logger = logging.getLogger(__name__)

Claims = dict[str, Any]


def parse_claims(payload: bytes) -> Claims:
    try:
        return parse_object(payload, max_depth=_MAX_DEPTH)
    except ValueError:
        raise refused(Reason.MALFORMED_CLAIMS) from None


@dataclass(frozen=True)
class ClaimRules:
    """What every token must say. `issuer` and one of `audiences` are compulsory if given.

    `scope_claim` is a claim with scopes in addition to the usual ones: its name, or the path to
    it through objects, with dots.
    """

    user_claim: str = "sub"
    leeway_s: int = 10
    issuer: str | None = None
    audiences: frozenset[str] = frozenset()
    scope_claim: str | None = None

    def check(self, claims: Claims, now_s: float) -> None:
        """Raise Unauthenticated if a claim breaks a rule."""
        _check_dates(claims, now_s, self.leeway_s)
        for claim in ("iss", "jti"):
            if not isinstance(claims.get(claim, ""), str):
                raise refused(Reason.MALFORMED_CLAIMS)
        self._check_issuer(claims)
        self._check_audience(claims)

    def caller(self, claims: Claims) -> Caller:
        """Return the caller that the claims name; raise Unauthenticated if that is not valid."""
        _name(claims, "sub")
        return Caller(
            user_id=_name(claims, self.user_claim), scopes=_scopes(claims, self.scope_claim)
        )

    def _check_issuer(self, claims: Claims) -> None:
        if self.issuer is None:
            return
        if "iss" not in claims:
            raise refused(Reason.MISSING_CLAIM)
        if claims["iss"] != self.issuer:
            raise refused(Reason.WRONG_ISSUER)

    def _check_audience(self, claims: Claims) -> None:
        if "aud" not in claims:
            if self.audiences:
                raise refused(Reason.MISSING_CLAIM)
            return
        # RFC 7519, 4.1.3: a service that `aud` does not name must refuse the token (0023).
        named = _texts(claims["aud"])
        if not self.audiences:
            logger.warning("a token with an audience was refused: SESSIONS_JWT_AUDIENCE is not set")
            raise refused(Reason.AUDIENCE_NOT_CONFIGURED)
        if self.audiences.isdisjoint(named):
            raise refused(Reason.WRONG_AUDIENCE)


def _check_dates(claims: Claims, now_s: float, leeway_s: int) -> None:
    expires_s = _date(claims, "exp")
    not_before_s = _date(claims, "nbf")
    issued_s = _date(claims, "iat")
    if expires_s is None:
        raise refused(Reason.MISSING_CLAIM)
    if now_s >= expires_s + leeway_s:
        raise refused(Reason.EXPIRED_TOKEN)
    if any(start is not None and start > now_s + leeway_s for start in (not_before_s, issued_s)):
        raise refused(Reason.NOT_YET_VALID)
    if issued_s is not None and not 0 <= expires_s - issued_s <= MAX_LIFETIME_S:
        raise refused(Reason.WRONG_LIFETIME)


def _date(claims: Claims, claim: str) -> int | float | None:
    if claim not in claims:
        return None
    value = claims[claim]
    # The comparison is false for NaN, too.
    if type(value) not in (int, float) or not 0 <= value <= _MAX_DATE_S:
        raise refused(Reason.MALFORMED_CLAIMS)
    date: int | float = value
    return date


def _name(claims: Claims, claim: str) -> str:
    if claim not in claims:
        raise refused(Reason.MISSING_CLAIM)
    value = claims[claim]
    if not is_name(value, MAX_ID_CHARS):
        raise refused(Reason.MALFORMED_CLAIMS)
    return value


def _scopes(claims: Claims, scope_claim: str | None) -> frozenset[str]:
    granted = {scope for claim in SCOPE_CLAIMS for scope in _scopes_in(claims.get(claim, ""))}
    if scope_claim is not None:
        granted.update(_scopes_in(_at(claims, scope_claim)))
    if len(granted) > MAX_SCOPES or not all(is_name(scope, MAX_SCOPE_CHARS) for scope in granted):
        raise refused(Reason.MALFORMED_CLAIMS)
    return frozenset(granted).union(*(_roles_in(claims.get(claim)) for claim in ROLE_CLAIMS))


def _scopes_in(value: object) -> list[str]:
    """Return the scopes in a list, or in a text that separates them by spaces (RFC 8693, 4.2)."""
    if isinstance(value, str):
        return [scope for scope in value.split(" ") if scope]
    return _texts(value)


def _roles_in(value: object) -> set[str]:
    """Return the scopes of this service among roles; there may be many others of any kind."""
    roles = value if isinstance(value, list) else [value]
    ours = (role for role in roles if isinstance(role, str) and role.startswith(SCOPE_PREFIX))
    return {role for role in ours if is_name(role, MAX_SCOPE_CHARS)}


def _at(claims: Claims, path: str) -> object:
    """Return the claim of this name, else the one that the path of names leads to, else ""."""
    if path in claims:
        return claims[path]
    value: object = claims
    for name in path.split("."):
        value = value.get(name, "") if isinstance(value, dict) else ""
    return value


def _texts(value: object) -> list[str]:
    """Return the one text, or the texts of the list."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise refused(Reason.MALFORMED_CLAIMS)
    return value
