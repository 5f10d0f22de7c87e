"""The URL of a MongoDB: refused before anything starts where no client could use it."""

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri


class UnusableUrl(ValueError):
    """The text leaves the URL out: it may hold a password."""

    def __init__(self) -> None:
        super().__init__(
            "SESSIONS_MONGO_URL: must look like mongodb://user:password@host:27017/?option=value, "
            "or mongodb+srv://… with a name that resolves; percent-encode the password."
        )


def usable(mongo_url: str) -> str:
    """Return the URL, or raise UnusableUrl where the driver cannot read it; asks no MongoDB."""
    try:
        parse_uri(mongo_url)
    except (PyMongoError, ValueError):
        raise UnusableUrl from None
    return mongo_url
