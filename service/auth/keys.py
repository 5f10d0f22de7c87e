"""A key that signatures are checked with, and where the one for a token comes from."""

from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from service.auth.algorithms import CURVE_NAMES, FAMILIES, Family
from service.auth.errors import Reason, refused

PublicKey = RSAPublicKey | EllipticCurvePublicKey
MIN_RSA_KEY_BITS = 2048


@dataclass(frozen=True)
class Key:
    """A secret or a public key; `kid` and `algorithm` as its issuer states them, if he does."""

    material: bytes | PublicKey = field(repr=False)
    kid: str | None = None
    algorithm: str | None = None

    def fits(self, algorithm: str) -> bool:
        if self.algorithm not in (None, algorithm):
            return False
        if isinstance(self.material, EllipticCurvePublicKey):
            return CURVE_NAMES.get(algorithm) == self.material.curve.name
        is_secret = isinstance(self.material, bytes)
        return FAMILIES.get(algorithm) is (Family.HMAC if is_secret else Family.RSA)


class KeySource(Protocol):
    async def find(self, kid: str | None, algorithm: str) -> Key:
        """Return the one key for a token with this header.

        Raises:
            Unauthenticated: there is none, or more than one could be meant.
            KeysUnavailable: nobody can say now.
        """
        ...


class OneKey:
    """A configured key. It has no name of its own, so it is the key of whatever `kid`."""

    def __init__(self, key: Key) -> None:
        self._key = key

    async def find(self, kid: str | None, algorithm: str) -> Key:  # noqa: ARG002  See above.
        if not self._key.fits(algorithm):
            raise refused(Reason.UNKNOWN_KEY)
        return self._key
