import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from config.settings import Settings
from service.auth.configured import authenticator_for
from service.auth.errors import ConfigurationError
from tests.auth.signing import EC_KEY, RSA_KEY, SECRET, public_der, public_pem, rsa_jwk


def refusal_of(**settings: Any) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        authenticator_for(Settings(_env_file=None, **settings))
    return str(refusal.value)


def certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(RSA_KEY.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1))
        .sign(RSA_KEY, hashes.SHA256())
    )


def ssh_key() -> str:
    return RSA_KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def private_pem() -> bytes:
    return RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


PUBLIC_TEXTS = {
    "RSA key in PEM": public_pem(RSA_KEY.public_key()).decode(),
    "EC key in PEM": public_pem(EC_KEY.public_key()).decode(),
    "PEM with its lines joined": public_pem(RSA_KEY.public_key()).decode().replace("\n", "\\n"),
    "DER bytes": public_der(RSA_KEY.public_key()).decode(errors="surrogateescape"),
    "DER in base64": b64encode(public_der(RSA_KEY.public_key())).decode(),
    "EC DER in base64": b64encode(public_der(EC_KEY.public_key())).decode(),
    "PKCS 1 DER in base64": b64encode(
        RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    ).decode(),
    "certificate in PEM": certificate().public_bytes(Encoding.PEM).decode(),
    "certificate in DER": certificate().public_bytes(Encoding.DER).decode(errors="surrogateescape"),
    "certificate in PEM of the old kind": certificate()
    .public_bytes(Encoding.PEM)
    .decode()
    .replace("CERTIFICATE", "X509 CERTIFICATE"),
    "private key in PEM": private_pem().decode(),
    "SSH key": ssh_key(),
    "JWK": json.dumps(rsa_jwk()),
    "key set": json.dumps({"keys": [rsa_jwk()]}),
}


def test_without_any_key_the_service_does_not_start_and_says_what_to_set() -> None:
    message = refusal_of()

    assert "SESSIONS_JWT_SECRET" in message
    assert "SESSIONS_JWT_PUBLIC_KEY_FILE" in message
    assert "SESSIONS_JWKS_URL" in message


@pytest.mark.parametrize("text", PUBLIC_TEXTS.values(), ids=PUBLIC_TEXTS.keys())
def test_a_secret_that_is_a_key_or_certificate_is_refused(text: str) -> None:
    message = refusal_of(jwt_secret=text)

    assert message.startswith("SESSIONS_JWT_SECRET: must be random text")


@pytest.mark.parametrize("secret", ["x", "x" * 31, "é" * 15])
def test_a_secret_of_less_than_32_bytes_is_refused(secret: str) -> None:
    message = refusal_of(jwt_secret=secret)

    assert message.startswith("SESSIONS_JWT_SECRET: must be 32 bytes or longer")


@pytest.mark.parametrize("secret", ["x" * 32, "é" * 16, b64encode(bytes(range(48))).decode()])
def test_a_secret_of_32_bytes_is_accepted(secret: str) -> None:
    authenticator_for(Settings(_env_file=None, jwt_secret=secret))


def test_a_secret_that_is_not_text_is_refused() -> None:
    message = refusal_of(jwt_secret="\ud800" * 40)

    assert message.startswith("SESSIONS_JWT_SECRET: must be text")


@pytest.mark.parametrize("secret", [SECRET[:20], *PUBLIC_TEXTS.values()])
def test_a_refusal_never_repeats_the_secret(secret: str) -> None:
    assert secret not in refusal_of(jwt_secret=secret)


@pytest.mark.parametrize("algorithms", [("HS256", "RS256"), ("RS256", "ES256"), ("PS256", "HS512")])
def test_algorithms_of_several_families_are_refused(algorithms: tuple[str, ...]) -> None:
    message = refusal_of(jwt_secret=SECRET, jwt_algorithms=algorithms)

    assert message.startswith("SESSIONS_JWT_ALGORITHMS: name algorithms of one family only")


@pytest.mark.parametrize("algorithm", ["none", "EdDSA", "hs256", "A128KW", "dir"])
def test_unknown_algorithms_are_refused_by_name(algorithm: str) -> None:
    message = refusal_of(jwt_secret=SECRET, jwt_algorithms=(algorithm,))

    assert message.startswith(f"SESSIONS_JWT_ALGORITHMS: {algorithm} is not one of ES256")


def test_an_algorithm_that_does_not_fit_the_secret_is_refused() -> None:
    message = refusal_of(jwt_secret=SECRET, jwt_algorithms=("RS256",))

    assert message.startswith("SESSIONS_JWT_ALGORITHMS: RS256 does not work")


@pytest.mark.parametrize("algorithms", [(), ("RS256",), ("ES384",), ("ES256", "ES512"), ("HS256",)])
def test_an_algorithm_that_does_not_fit_the_key_file_is_refused(
    ec_pem_file: Path, algorithms: tuple[str, ...]
) -> None:
    message = refusal_of(jwt_public_key_file=ec_pem_file, jwt_algorithms=algorithms)

    assert "does not work with the key of SESSIONS_JWT_PUBLIC_KEY_FILE" in message


def test_a_key_set_with_hmac_is_refused() -> None:
    message = refusal_of(jwks_url="https://id.example/keys", jwt_algorithms=("HS256",))

    assert message.startswith("SESSIONS_JWT_ALGORITHMS: must be RS*")


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    message = refusal_of(jwt_public_key_file=tmp_path / "missing.pem")

    assert message.startswith("SESSIONS_JWT_PUBLIC_KEY_FILE")
    assert "cannot be read" in message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a key",
        private_pem(),
        certificate().public_bytes(Encoding.PEM),
        public_der(RSA_KEY.public_key()),
        public_pem(RSA_KEY.public_key()) * 2,
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ],
    ids=["empty", "text", "private", "certificate", "DER", "two keys", "broken"],
)
def test_a_file_without_exactly_one_public_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)

    message = refusal_of(jwt_public_key_file=path)

    assert message.startswith("SESSIONS_JWT_PUBLIC_KEY_FILE: the file must hold")


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    message = refusal_of(jwt_public_key_file=path)

    assert message.startswith("SESSIONS_JWT_PUBLIC_KEY_FILE: the key in the file must be an RSA")


def test_an_rsa_key_of_less_than_2048_bits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    path.write_bytes(public_pem(weak.public_key()))

    message = refusal_of(jwt_public_key_file=path)

    assert message.startswith("SESSIONS_JWT_PUBLIC_KEY_FILE: the RSA key must have 2048 bits")


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example/keys",
        "http://10.0.0.1/keys",
        "http://localhost.example/keys",
        "http://127.0.0.1.example/keys",
        "http://0.0.0.0/keys",
        "http://localhost@id.example/keys",
        "ftp://127.0.0.1/keys",
        "file:///etc/keys",
        "//127.0.0.1/keys",
        "https://",
        "https:///keys",
        "keys",
        "http://[::1/keys",
        "https://id.example:port/keys",
        "https://id.example/\x00",
    ],
)
def test_a_key_set_that_could_be_changed_in_transit_is_refused(url: str) -> None:
    message = refusal_of(jwks_url=url)

    assert message.startswith("SESSIONS_JWKS_URL: must be")


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example/keys",
        "http://127.0.0.1:9/keys",
        "http://localhost/keys",
        "http://[::1]:9/keys",
    ],
)
def test_a_key_set_over_https_or_from_this_machine_is_accepted(url: str) -> None:
    authenticator_for(Settings(_env_file=None, jwks_url=url))
