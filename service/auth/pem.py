"""The public key in a PEM file."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from service.auth.errors import ConfigurationError
from service.auth.keys import MIN_RSA_KEY_BITS, PublicKey


def public_key_from(path: Path, variable: str = "SESSIONS_JWT_PUBLIC_KEY_FILE") -> PublicKey:
    """Return the key from the file that the variable names.

    Raises:
        ConfigurationError: the file holds anything but one RSA or EC public key.
    """
    key = _load(_read(path, variable), variable)
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_KEY_BITS:
        raise ConfigurationError(
            variable, f"the RSA key must have {MIN_RSA_KEY_BITS} bits or more, not {key.key_size}."
        )
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        raise ConfigurationError(variable, "the key in the file must be an RSA or an EC key.")
    return key


def _read(path: Path, variable: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            variable, f"the file '{path}' cannot be read ({error.strerror})."
        ) from None


def _load(pem: bytes, variable: str) -> object:
    if pem.count(b"-----BEGIN ") != 1:
        raise ConfigurationError(variable, "the file must hold exactly one public key in PEM.")
    try:
        return load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(
            variable,
            "the file must hold a public key in PEM ('BEGIN PUBLIC KEY'). Get it from a "
            "certificate with 'openssl x509 -pubkey -noout', from a private key with "
            "'openssl pkey -pubout'.",
        ) from None
