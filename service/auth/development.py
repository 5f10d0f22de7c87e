"""Tokens without an issuer: their secret, kept with the embedded MongoDB, and how one is made."""

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from config.settings import MIN_HMAC_SECRET_BYTES, Settings
from service.auth.errors import ConfigurationError
from service.auth.mint import mint

SECRET_FILE = "jwt-secret"  # noqa: S105  The name of a file, not a password.
KEY_VARIABLES = "SESSIONS_JWT_SECRET, SESSIONS_JWT_PUBLIC_KEY_FILE or SESSIONS_JWKS_URL"


def with_key(settings: Settings) -> Settings:
    """Return the settings with a key: if they name no MongoDB either, with the development secret.

    Raises:
        ConfigurationError: a MongoDB is configured but no key, or the development secret
            cannot be stored.
    """
    sources = (settings.jwt_secret, settings.jwt_public_key_file, settings.jwks_url)
    if any(source is not None for source in sources):
        return settings
    if settings.mongo_url is not None:
        raise ConfigurationError(
            KEY_VARIABLES, "set one of them: with SESSIONS_MONGO_URL there is no default key."
        )
    secret = SecretStr(development_secret(settings.data_dir))
    return settings.model_copy(update={"jwt_secret": secret})


def mint_for(settings: Settings, user_id: str, scopes: Iterable[str], *, lifetime_s: int) -> str:
    """Return a token that the service accepts with these settings.

    Raises:
        ConfigurationError: the secret is not set, as only the holder of a private key can
            sign tokens for it; or the user is named by a claim other than `sub`.
        InvalidInput, TooLarge: no token with these values would be accepted.
    """
    if settings.jwt_secret is None:
        raise ConfigurationError(
            "SESSIONS_JWT_SECRET", "is not set: only who has the private key can make tokens."
        )
    if settings.jwt_user_claim != "sub":
        raise ConfigurationError(
            "SESSIONS_JWT_USER_CLAIM", "tokens that are made here name the user in 'sub' only."
        )
    return mint(
        settings.jwt_secret.get_secret_value(),
        user_id=user_id,
        scopes=scopes,
        lifetime_s=lifetime_s,
        issuer=settings.jwt_issuer,
        audience=next(iter(settings.jwt_audience), None),
        algorithm=next(iter(settings.jwt_algorithms), "HS256"),
    )


def development_secret(data_dir: Path) -> str:
    """Return the secret in the folder; the first call creates it, even if several run at once.

    Raises:
        ConfigurationError: it cannot be stored there, or the file holds no usable secret.
    """
    file = data_dir / SECRET_FILE
    try:
        if not file.exists():
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(file)
        secret = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(
            "SESSIONS_DATA_DIR", f"cannot keep a secret in {file}: {reason}."
        ) from None
    if len(secret) < MIN_HMAC_SECRET_BYTES:
        raise ConfigurationError(
            "SESSIONS_DATA_DIR", f"{file} holds no secret: remove it, and a new one is made."
        )
    return secret


def _make(file: Path) -> None:
    draft = file.with_name(f"{SECRET_FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(secrets.token_urlsafe(MIN_HMAC_SECRET_BYTES))
            opened.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            # Unlike a rename, a link never replaces a secret that another process has just made.
            file.hardlink_to(draft)
    finally:
        draft.unlink()
