"""Key sets as issuers publish them (RFC 7517), reduced to the keys that can be used."""

from collections import Counter
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import BaseModel, ConfigDict

from service.auth import base64url
from service.auth.algorithms import Family
from service.auth.keys import MIN_RSA_KEY_BITS, Key, PublicKey
from service.auth.strict_json import parse_object
from service.auth.text import is_name

MAX_KEYS = 100
MAX_KID_CHARS = 256
_MAX_DEPTH = 8
_CURVES: dict[str | None, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}


class Jwk(BaseModel):
    """One published key. Private parts, if any, are never read."""

    model_config = ConfigDict(frozen=True, strict=True)

    kty: str
    kid: str | None = None
    alg: str | None = None
    use: str | None = None
    key_ops: list[str] | None = None
    n: str = ""
    e: str = ""
    crv: str | None = None
    x: str = ""
    y: str = ""


class JwkSet(BaseModel):
    keys: list[Jwk]


def parse_key_set(encoded: bytes, family: Family) -> tuple[Key, ...]:
    """Return the keys of the family that check signatures, and no others.

    Raises:
        ValueError: it is not a key set, it is too large, or a `kid` is unfit or not unique.
    """
    published = JwkSet.model_validate(parse_object(encoded, max_depth=_MAX_DEPTH)).keys
    if len(published) > MAX_KEYS:
        raise ValueError("too many keys")
    _check_kids([jwk.kid for jwk in published if jwk.kid is not None])
    candidates = (jwk for jwk in published if jwk.kty == family and _checks_signatures(jwk))
    return tuple(key for jwk in candidates if (key := _to_key(jwk)) is not None)


def _check_kids(kids: Sequence[str]) -> None:
    if not all(is_name(kid, MAX_KID_CHARS) for kid in kids):
        raise ValueError("a kid is empty, too long or unprintable")
    if any(count > 1 for count in Counter(kids).values()):
        raise ValueError("two keys share a kid")


def _checks_signatures(jwk: Jwk) -> bool:
    return jwk.use in (None, "sig") and (jwk.key_ops is None or "verify" in jwk.key_ops)


def _to_key(jwk: Jwk) -> Key | None:
    """Return the key, or None if it is too weak, of another curve, or not a key at all.

    One such key among good ones must not make all of them useless.
    """
    try:
        material = _rsa_key(jwk) if jwk.kty == Family.RSA else _ec_key(jwk)
    except ValueError:
        return None
    return Key(material, kid=jwk.kid, algorithm=jwk.alg)


def _rsa_key(jwk: Jwk) -> PublicKey:
    key = rsa.RSAPublicNumbers(e=_number(jwk.e), n=_number(jwk.n)).public_key()
    if key.key_size < MIN_RSA_KEY_BITS:
        raise ValueError("the RSA key is too short")
    return key


def _ec_key(jwk: Jwk) -> PublicKey:
    curve = _CURVES.get(jwk.crv)
    if curve is None:
        raise ValueError("the curve is not known")
    return ec.EllipticCurvePublicNumbers(_number(jwk.x), _number(jwk.y), curve).public_key()


def _number(text: str) -> int:
    return int.from_bytes(base64url.decode(text), "big")
