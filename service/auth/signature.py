"""The signature check itself, by python-jose, which gets one algorithm and one key: no choice."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jose import jwk, jws
from jose.backends.base import Key as JoseKey
from jose.exceptions import JWSError

from service.auth.errors import Reason, refused
from service.auth.keys import Key

_PSS_HASHES: dict[str, hashes.HashAlgorithm] = {
    "PS256": hashes.SHA256(),
    "PS384": hashes.SHA384(),
    "PS512": hashes.SHA512(),
}


class PssKey(JoseKey):  # type: ignore[misc]  # jose ships no types.
    """The part of RFC 7518 that python-jose lacks: RSASSA-PSS, with a salt as long as its hash."""

    def __init__(self, key: RSAPublicKey, hash_algorithm: hashes.HashAlgorithm) -> None:
        self._key = key
        self._hash = hash_algorithm

    def verify(self, message: bytes, signature: bytes) -> bool:
        padding = PSS(mgf=MGF1(self._hash), salt_length=self._hash.digest_size)
        try:
            self._key.verify(signature, message, padding, self._hash)
        except InvalidSignature:
            return False
        return True


def signed_payload(token: str, key: Key, algorithm: str) -> bytes:
    """Return the payload, if it is signed with the key.

    Raises:
        Unauthenticated: it is not signed with this key and this algorithm.
    """
    try:
        payload: bytes = jws.verify(token, _jose_key(key, algorithm), algorithms=[algorithm])
    except JWSError:
        raise refused(Reason.WRONG_SIGNATURE) from None
    return payload


def _jose_key(key: Key, algorithm: str) -> JoseKey:
    pss_hash = _PSS_HASHES.get(algorithm)
    if pss_hash is not None and isinstance(key.material, RSAPublicKey):
        return PssKey(key.material, pss_hash)
    return jwk.construct(key.material, algorithm)
