"""What the claims of a signed token must say, and the caller they name."""

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
# The last second of the year 9999; what is later is no date but a mistake.
_MAX_DATE_S = 253_402_300_799
_SCOPE_CLAIMS = ("scope", "scopes", "scp")

Claims = dict[str, Any]


def parse_claims(payload: bytes) -> Claims:
    try:
        return parse_object(payload, max_depth=_MAX_DEPTH)
    except ValueError:
        raise refused(Reason.MALFORMED_CLAIMS) from None


@dataclass(frozen=True)
class ClaimRules:
    """What is asked of every token. `issuer` and `audience` are compulsory where given."""

    user_claim: str = "sub"
    leeway_s: int = 10
    issuer: str | None = None
    audience: str | None = None

    def check(self, claims: Claims, now_s: float) -> None:
        """Raise Unauthenticated where a claim breaks a rule."""
        _check_dates(claims, now_s, self.leeway_s)
        for claim in ("iss", "jti"):
            if not isinstance(claims.get(claim, ""), str):
                raise refused(Reason.MALFORMED_CLAIMS)
        self._check_issuer(claims)
        self._check_audience(claims)

    def caller(self, claims: Claims) -> Caller:
        """Return whom the claims name; raise Unauthenticated where they name nobody well."""
        _name(claims, "sub")
        return Caller(user_id=_name(claims, self.user_claim), scopes=_scopes(claims))

    def _check_issuer(self, claims: Claims) -> None:
        if self.issuer is None:
            return
        if "iss" not in claims:
            raise refused(Reason.MISSING_CLAIM)
        if claims["iss"] != self.issuer:
            raise refused(Reason.WRONG_ISSUER)

    def _check_audience(self, claims: Claims) -> None:
        if "aud" in claims:
            # RFC 7519, 4.1.3: whoever does not find himself in it must refuse the token.
            if self.audience is None or self.audience not in _texts(claims["aud"]):
                raise refused(Reason.WRONG_AUDIENCE)
        elif self.audience is not None:
            raise refused(Reason.MISSING_CLAIM)


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


def _scopes(claims: Claims) -> frozenset[str]:
    granted = {scope for claim in _SCOPE_CLAIMS for scope in _claimed_scopes(claims, claim)}
    if len(granted) > MAX_SCOPES or not all(is_name(scope, MAX_SCOPE_CHARS) for scope in granted):
        raise refused(Reason.MALFORMED_CLAIMS)
    return frozenset(granted)


def _claimed_scopes(claims: Claims, claim: str) -> list[str]:
    value = claims.get(claim, "")
    if isinstance(value, str):
        return [scope for scope in value.split(" ") if scope]
    if claim == "scope":
        # RFC 8693 has a text here; only the other two come as lists.
        raise refused(Reason.MALFORMED_CLAIMS)
    return _texts(value)


def _texts(value: object) -> list[str]:
    """Return the one text, or the texts of the list."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise refused(Reason.MALFORMED_CLAIMS)
    return value
