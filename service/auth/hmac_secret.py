"""The shared secret of HMAC tokens: long enough, and not known to others."""

import binascii
from base64 import b64decode
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_public_key
from jose.utils import is_pem_format, is_ssh_key

from config.settings import MIN_HMAC_SECRET_BYTES
from service.auth.errors import ConfigurationError
from service.auth.strict_json import parse_object

_JWK_MAX_DEPTH = 8
_READERS: tuple[Callable[[bytes], object], ...] = (
    load_der_public_key,
    x509.load_der_x509_certificate,
)


def checked_secret(text: str, variable: str = "SESSIONS_JWT_SECRET") -> bytes:
    """Return the bytes of the secret that the variable holds.

    Raises:
        ConfigurationError: it is too short, or it is a public key: anyone who knows the
            key could sign tokens with it.
    """
    try:
        # Bytes of the environment that are not UTF-8 arrive as escapes.
        secret = text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise ConfigurationError(variable, "must be text that can be written as UTF-8.") from None
    if len(secret) < MIN_HMAC_SECRET_BYTES:
        raise ConfigurationError(
            variable,
            f"must be {MIN_HMAC_SECRET_BYTES} bytes or longer, not {len(secret)}: "
            "make one with 'openssl rand -base64 48'.",
        )
    if _is_key_or_certificate(secret):
        raise ConfigurationError(
            variable,
            "must be random text, not a key pair's key or a certificate; a public key "
            "belongs into a file named by SESSIONS_JWT_PUBLIC_KEY_FILE.",
        )
    return secret


def _is_key_or_certificate(secret: bytes) -> bool:
    if b"-----BEGIN " in secret or _is_jwk(secret):
        return True
    # A secret that python-jose would refuse with every token is better refused at the start.
    if is_pem_format(secret) or is_ssh_key(secret):
        return True
    forms = (secret, _from_base64(secret))
    return any(_reads(reader, form) for reader in _READERS for form in forms)


def _from_base64(secret: bytes) -> bytes:
    try:
        return b64decode(b"".join(secret.split()))
    except binascii.Error:
        return b""


def _is_jwk(secret: bytes) -> bool:
    try:
        value = parse_object(secret, max_depth=_JWK_MAX_DEPTH)
    except ValueError:
        return False
    return "kty" in value or "keys" in value


def _reads(reader: Callable[[bytes], object], encoded: bytes) -> bool:
    try:
        reader(encoded)
    except Exception:  # noqa: BLE001  The readers raise many types, some of them bare.
        return False
    return True
