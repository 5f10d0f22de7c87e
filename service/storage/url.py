"""The URL of a MongoDB: what it says, and what of that the service overrides."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

DATABASE = re.compile(r"[A-Za-z0-9_-]{1,63}")
# Names of options that mean the same as one of ours.
_SAME = {"j": "journal"}


class UnusableUrl(ValueError):
    """The text leaves the URL out: it may hold a password."""

    def __init__(self, problem: str = "") -> None:
        super().__init__(
            "SESSIONS_MONGO_URL: "
            + (
                problem
                or "must look like mongodb://user:password@host:27017/?option=value, or "
                "mongodb+srv://… with a name that resolves; percent-encode the password."
            )
        )


def usable(mongo_url: str) -> str:
    """Return the URL; asks no MongoDB.

    Raises:
        UnusableUrl: the driver cannot read it, or the database that it names is no name of one.
    """
    try:
        parse_uri(mongo_url)
    except (PyMongoError, ValueError):
        raise UnusableUrl from None
    database_in(mongo_url)
    return mongo_url


def database_in(mongo_url: str) -> str | None:
    """Return the database that the path of the URL names, if it does.

    Raises:
        UnusableUrl: that is no name of a database.
    """
    name = unquote(urlsplit(mongo_url).path.removeprefix("/"))
    if name and not DATABASE.fullmatch(name):
        raise UnusableUrl(
            "the database in its path must be 1 to 63 letters, digits, '_' or '-'; or leave it out "
            "and set SESSIONS_MONGO_DATABASE."
        )
    return name or None


def overridden(mongo_url: str, ours: Mapping[str, Any]) -> Iterator[str]:
    """Yield `name=value (ours)` for each option of the URL that the service sets otherwise."""
    values = {name.lower(): _text(value) for name, value in ours.items()}
    query = urlsplit(mongo_url).query.replace(";", "&")
    for name, value in parse_qsl(query, keep_blank_values=True):
        key = _SAME.get(name.lower(), name.lower())
        if key in values and value.lower() != values[key].lower():
            yield f"{name}={value} ({values[key]})"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
