"""What can go wrong with tokens and keys: a token or a configuration is refused."""

from enum import StrEnum

from service.domain.errors import DomainError, Unauthenticated


class ConfigurationError(ValueError):
    """A setting makes tokens unsafe or impossible to check: the service must not start."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")


class KeysUnavailable(DomainError):
    """The issuer of the tokens gives no keys, and no earlier ones are left."""

    code = "keys_unavailable"
    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__(
            "The keys that tokens are verified with cannot be fetched; nothing was changed. "
            f"Try again in {self.retry_after_s} seconds."
        )


class Reason(StrEnum):
    """The stable words that clients may act on."""

    MISSING_TOKEN = "missing_token"  # noqa: S105  A reason, not a password.
    WRONG_SCHEME = "wrong_scheme"
    MALFORMED_TOKEN = "malformed_token"  # noqa: S105  The same.
    WRONG_ALGORITHM = "wrong_algorithm"
    UNKNOWN_KEY = "unknown_key"
    WRONG_SIGNATURE = "wrong_signature"
    MALFORMED_CLAIMS = "malformed_claims"
    MISSING_CLAIM = "missing_claim"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105  The same.
    NOT_YET_VALID = "not_yet_valid"
    WRONG_LIFETIME = "wrong_lifetime"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    AUDIENCE_NOT_CONFIGURED = "audience_not_configured"


_ADVICE = {
    Reason.MISSING_TOKEN: "Send a token in the header 'Authorization: Bearer <token>'.",
    Reason.WRONG_SCHEME: "Use the scheme Bearer: 'Authorization: Bearer <token>'.",
    Reason.MALFORMED_TOKEN: "Send the token exactly as its issuer made it.",
    Reason.WRONG_ALGORITHM: "Get a token that is signed with an algorithm this service accepts.",
    Reason.UNKNOWN_KEY: "Get a new token from the issuer this service trusts.",
    Reason.WRONG_SIGNATURE: "Get a new token from the issuer this service trusts.",
    Reason.MALFORMED_CLAIMS: "Get a token whose claims have the registered types.",
    Reason.MISSING_CLAIM: "Get a token that has every claim this service requires.",
    Reason.EXPIRED_TOKEN: "Get a new token.",
    Reason.NOT_YET_VALID: "Wait until the token is valid, or check the clock of its issuer.",
    Reason.WRONG_LIFETIME: "Get a token with a shorter lifetime.",
    Reason.WRONG_ISSUER: "Get a token from the issuer this service trusts.",
    Reason.WRONG_AUDIENCE: "Get a token whose 'aud' is one that this service accepts.",
    Reason.AUDIENCE_NOT_CONFIGURED: "The token has an 'aud', and this service accepts none: its "
    "operator has to name it in SESSIONS_JWT_AUDIENCE.",
}


def refused(reason: Reason) -> Unauthenticated:
    return Unauthenticated(reason.value, _ADVICE[reason])
