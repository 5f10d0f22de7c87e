"""A key to check signatures with, and where the key for a token comes from."""

from collections.abc import Sequence
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
    """A secret or a public key; `kid` and `algorithm` as its issuer states them, if it does."""

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
    async def candidates(self, kid: str | None, algorithm: str) -> Sequence[Key]:
        """Return the keys that may have signed a token with this header, the likeliest first.

        There are few, and at least one.

        Raises:
            Unauthenticated: no key fits, or it is not clear which one is meant.
            KeysUnavailable: the issuer's keys cannot be fetched.
        """
        ...


class ConfiguredKeys:
    """Keys from the settings: the current one, then a previous one while keys are rotated.

    They have no names of their own, so each may be the key of any `kid`.
    """

    def __init__(self, *keys: Key) -> None:
        self._keys = keys

    async def candidates(self, kid: str | None, algorithm: str) -> Sequence[Key]:  # noqa: ARG002
        fitting = [key for key in self._keys if key.fits(algorithm)]
        if not fitting:
            raise refused(Reason.UNKNOWN_KEY)
        return fitting
