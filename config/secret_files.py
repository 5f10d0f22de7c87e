"""Secrets that come from files: `SESSIONS_JWT_SECRET_FILE` instead of `SESSIONS_JWT_SECRET`.

A file does not show in the environment of every child process, nor in every dump of the container.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MAX_SECRET_BYTES = 64 * 1024


def with_secrets_from_files(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the values, with each of these secrets for which they name a file.

    Raises:
        ValueError: a secret is given twice, or its file holds none; the text never has the secret.
    """
    return {**values, **{name: _secret(name, values) for name in names if values.get(_file(name))}}


def _file(name: str) -> str:
    return f"{name}_file"


def _secret(name: str, values: Mapping[str, Any]) -> str:
    variable = f"SESSIONS_{name.upper()}"
    if values.get(name):
        raise ValueError(f"Set only one of {variable} and {variable}_FILE.")
    path = Path(values[_file(name)])
    try:
        secret = _read(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"{variable}_FILE: cannot read {path}: {reason}.") from None
    if not 1 <= len(secret) <= MAX_SECRET_BYTES:
        problem = f"is larger than {MAX_SECRET_BYTES} bytes" if secret else "is empty"
        raise ValueError(f"{variable}_FILE: {path} {problem}; it must hold the secret, only.")
    return secret


def _read(path: Path) -> str:
    """Return what the file holds, without the newline that editors and `echo` add at its end."""
    with path.open("rb") as file:
        return file.read(MAX_SECRET_BYTES + 1).decode().rstrip("\r\n")
