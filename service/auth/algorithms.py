"""The algorithms that can be accepted, and the family of keys that each works with."""

from collections.abc import Iterable
from enum import StrEnum

from service.auth.errors import ConfigurationError


class Family(StrEnum):
    """The values are the key types of RFC 7518."""

    HMAC = "oct"
    RSA = "RSA"
    EC = "EC"


CURVE_NAMES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
FAMILIES = {
    **dict.fromkeys(("HS256", "HS384", "HS512"), Family.HMAC),
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), Family.RSA),
    **dict.fromkeys(CURVE_NAMES, Family.EC),
}
_VARIABLE = "SESSIONS_JWT_ALGORITHMS"


def family_of(algorithms: Iterable[str]) -> Family:
    """Return the one family of all the algorithms.

    Raises:
        ConfigurationError: one is not known, or they need different kinds of key.
    """
    unknown = sorted(set(algorithms) - set(FAMILIES))
    if unknown:
        raise ConfigurationError(
            _VARIABLE, f"{', '.join(unknown)} is not one of {', '.join(sorted(FAMILIES))}."
        )
    families = {FAMILIES[algorithm] for algorithm in algorithms}
    if len(families) != 1:
        raise ConfigurationError(
            _VARIABLE,
            "name algorithms of one family only, all HS*, all RS* and PS*, or all ES*: "
            "in a mixed list a public key could pass for a secret.",
        )
    return families.pop()
