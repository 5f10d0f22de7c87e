"""The URL of a MongoDB: what it names, what of it is overridden, when no client can use it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from config.settings import DATABASE_NAME

SCHEME = "mongodb://"
SRV_SCHEME = "mongodb+srv://"
DNS_MS = 2000
# To log in with a user of `admin`, many write it into the path; never for conversations.
MONGODBS_OWN = frozenset({"admin", "config", "local"})

PROMISED = "the promise of majority writes and reads"
TIMEOUT = "SESSIONS_MONGO_TIMEOUT_S"
POOL = "SESSIONS_MONGO_MAX_POOL"
FIXED = "the service's own"
# What the service decides. Names of options are in lower case: their case does not count.
OVERRIDDEN_BY = {
    **dict.fromkeys(("w", "journal", "fsync", "wtimeoutms", "readconcernlevel"), PROMISED),
    **dict.fromkeys(("readpreference", "readpreferencetags", "maxstalenessseconds"), PROMISED),
    **dict.fromkeys(("retrywrites", "retryreads"), PROMISED),
    **dict.fromkeys(("timeoutms", "sockettimeoutms", "waitqueuetimeoutms"), TIMEOUT),
    "serverselectiontimeoutms": TIMEOUT,
    "maxpoolsize": POOL,
    **dict.fromkeys(("connecttimeoutms", "heartbeatfrequencyms", "maxidletimems"), FIXED),
    "appname": FIXED,
}


class UnusableUrl(ValueError):
    """The text leaves the URL out: it may hold a password."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"SESSIONS_MONGO_URL: {problem}.")


def usable(mongo_url: str, *, max_pool: int) -> str:
    """Return the URL, or raise UnusableUrl where the driver cannot use it; it never connects."""
    try:
        options = parse_uri(mongo_url, connect_timeout=DNS_MS)["options"]
    except (PyMongoError, ValueError) as error:
        raise UnusableUrl(_why(mongo_url, error)) from None
    if options.get("minPoolSize", 0) > max_pool:
        raise UnusableUrl(f"minPoolSize is larger than {POOL}, which is {max_pool}")
    return mongo_url


def database_in(mongo_url: str) -> str | None:
    """Return the database in the path, decoded; None if the path is empty.

    Raises:
        UnusableUrl: it is not one that the service may use.
    """
    path = _path(mongo_url)
    if "@" in path:
        # It is the end of a password that is not encoded.
        raise UnusableUrl(_form())
    name = unquote_plus(path)
    if not name:
        return None
    if not re.fullmatch(DATABASE_NAME, name):
        raise UnusableUrl(
            "the database in its path must be 1 to 63 letters, digits, - or _; "
            "or set SESSIONS_MONGO_DATABASE"
        )
    if name in MONGODBS_OWN:
        raise UnusableUrl(
            f"the database in its path is {name}, which is MongoDB's own; "
            "set SESSIONS_MONGO_DATABASE to the one of the conversations"
        )
    return name


def names_another(mongo_url: str, database: str) -> bool:
    """Say whether the path names another database, and not only the one of the users."""
    return unquote_plus(_path(mongo_url)) not in {"", database, *MONGODBS_OWN}


def without_overridden(mongo_url: str) -> str:
    """Return the URL without the options that are overridden: some would contradict ours."""
    before, mark, _ = mongo_url.partition("?")
    kept = [pair for pair in _pairs(mongo_url) if _name(pair).lower() not in OVERRIDDEN_BY]
    return f"{before}{mark}{'&'.join(kept)}"


def overridden(mongo_url: str, ours: Mapping[str, Any]) -> list[str]:
    """Say which options of the URL are overridden, in a text for each thing that does it.

    An option with the value it has in `ours`, the options of the service, is not.
    """
    values = {name.lower(): str(value).lower() for name, value in ours.items()}
    names: dict[str, dict[str, None]] = {}
    for pair in _pairs(mongo_url):
        name, _, value = pair.partition("=")
        by = OVERRIDDEN_BY.get(name.lower())
        if by is not None and unquote_plus(value).lower() != values.get(name.lower()):
            names.setdefault(by, {})[name] = None
    return [f"SESSIONS_MONGO_URL: {', '.join(names[by])} overridden by {by}" for by in names]


def has_user(mongo_url: str) -> bool:
    return "@" in mongo_url.partition("?")[0]


def _path(mongo_url: str) -> str:
    return mongo_url.partition("://")[2].partition("?")[0].partition("/")[2]


def _pairs(mongo_url: str) -> Iterator[str]:
    # The driver takes both, but not mixed.
    return (pair for pair in re.split("[&;]", mongo_url.partition("?")[2]) if pair)


def _name(pair: str) -> str:
    return pair.partition("=")[0]


def _why(mongo_url: str, error: Exception) -> str:
    if mongo_url.startswith(SRV_SCHEME) and "DNS" in str(error):
        return "the name after mongodb+srv:// does not resolve"
    before = mongo_url.partition("?")[0].replace(SRV_SCHEME, SCHEME, 1)
    wrong = [_name(pair) for pair in _pairs(mongo_url) if not _is_read(f"{SCHEME}h/?{pair}")]
    # Otherwise what looks like an option may be the end of a password.
    if wrong and _is_read(before):
        return f"unknown option, or a value it does not take: {', '.join(wrong)}"
    return _form()


def _is_read(mongo_url: str) -> bool:
    try:
        parse_uri(mongo_url)
    except (PyMongoError, ValueError):
        return False
    return True


def _form() -> str:
    return (
        "must look like mongodb://user:password@host:27017/database?option=value, "
        "or mongodb+srv://…; percent-encode the password"
    )
