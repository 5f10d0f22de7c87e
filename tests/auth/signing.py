"""Tokens made by hand, so that they can be wrong in ways no library would make them."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.auth.keys import PublicKey

NOW_S = 1_800_000_000
SECRET = "a secret of more than thirty-two bytes"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ABSENT = object()

Signer = Callable[[bytes], bytes]


class FakeClock:
    def __init__(self, now_s: float = NOW_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def encoded(part: object) -> bytes:
    return part if isinstance(part, bytes) else json.dumps(part).encode()


def claims(now_s: float = NOW_S, **changes: Any) -> dict[str, Any]:
    """Return good claims with the changes; ABSENT leaves one out."""
    good = {"sub": "ann", "iat": now_s, "exp": now_s + 3600}
    return {name: value for name, value in {**good, **changes}.items() if value is not ABSENT}


def signed(header: object, payload: object, signer: Signer) -> str:
    signing_input = f"{base64url(encoded(header))}.{base64url(encoded(payload))}"
    return f"{signing_input}.{base64url(signer(signing_input.encode()))}"


def hmac_signer(secret: str | bytes, hash_name: str) -> Signer:
    key = secret if isinstance(secret, bytes) else secret.encode()
    return lambda message: hmac.digest(key, message, hash_name)


def hs256(secret: str | bytes = SECRET) -> Signer:
    return hmac_signer(secret, "sha256")


def rs256(key: rsa.RSAPrivateKey = RSA_KEY) -> Signer:
    return lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def ps256(key: rsa.RSAPrivateKey = RSA_KEY, salt_bytes: int = 32) -> Signer:
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt_bytes)
    return lambda message: key.sign(message, pss, hashes.SHA256())


def es256(key: ec.EllipticCurvePrivateKey = EC_KEY) -> Signer:
    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def hs256_token(**changes: Any) -> str:
    return signed({"alg": "HS256", "typ": "JWT"}, claims(**changes), hs256())


def hs256_token_with_header(**header: Any) -> str:
    return signed({"alg": "HS256", **header}, claims(), hs256())


def bearer(token: str) -> str:
    return f"Bearer {token}"


def public_pem(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_der(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def rsa_jwk(key: rsa.RSAPrivateKey = RSA_KEY, **members: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    n = base64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big"))
    return {"kty": "RSA", "n": n, "e": "AQAB", **members}


def ec_jwk(key: ec.EllipticCurvePrivateKey = EC_KEY, **members: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    x, y = (base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, **members}
