"""A first look at MongoDB before anything starts: what is wrong is said in words, and soon."""

from typing import NamedTuple

from pymongo.errors import OperationFailure, PyMongoError, ServerSelectionTimeoutError
from pymongo.server_type import SERVER_TYPE

from config.settings import Settings
from service.storage import driver
from service.storage.indexes import SESSIONS, UNAUTHORIZED

PATIENCE_S = 2
AUTHENTICATION_FAILED = {18, 8000}

STANDALONE = (
    "MongoDB is a standalone server, not a replica set: nothing takes over when it fails, and "
    "'acknowledged' means written to the journal of this one server. For production use a replica "
    "set of three."
)


class Contact(NamedTuple):
    """What a first look found: why the service cannot work, or what an operator should know.

    `refused` will not change by waiting; `absent` may.
    """

    refused: str | None = None
    absent: str | None = None
    warning: str | None = None


async def first_contact(settings: Settings, mongo_url: str, database: str) -> Contact:
    """Look whether MongoDB is there and lets this user in; takes at most `PATIENCE_S`."""
    client = driver.connect(
        settings,
        mongo_url,
        serverSelectionTimeoutMS=PATIENCE_S * 1000,
        timeoutMS=PATIENCE_S * 1000,
    )
    try:
        # A ping needs no permission, a read does.
        await client[database][SESSIONS].find_one({}, {"_id": 1})
        return Contact(warning=STANDALONE if is_standalone(client) else None)
    except OperationFailure as error:
        return Contact(refused=_refusal(error, mongo_url, database))
    except PyMongoError as error:
        return Contact(absent=_absence(error))
    finally:
        await driver.close(client)


def is_standalone(client: driver.Client) -> bool:
    """Say whether the server that was found is in no replica set."""
    servers = client.topology_description.server_descriptions().values()
    return any(server.server_type == SERVER_TYPE.Standalone for server in servers)


def _refusal(error: OperationFailure, mongo_url: str, database: str) -> str | None:
    if error.code in AUTHENTICATION_FAILED:
        return (
            "the user or password in SESSIONS_MONGO_URL is wrong. Or the user is not in the "
            "database that checks it: the path of the URL, or its option authSource."
        )
    if error.code == UNAUTHORIZED and "@" not in mongo_url:
        return "this MongoDB wants a user and a password, and SESSIONS_MONGO_URL has none."
    if error.code == UNAUTHORIZED:
        return (
            f"the user in SESSIONS_MONGO_URL may not read the database '{database}': grant it "
            "readWrite there, or name another database by SESSIONS_MONGO_DATABASE."
        )
    return None


def _absence(error: PyMongoError) -> str:
    """Return why no server was found; the driver's own text names only hosts and errors."""
    text = str(error).partition(" (configured timeouts")[0].partition(", Timeout:")[0]
    if "SSL" in text or "TLS" in text:
        return f"SESSIONS_MONGO_URL and MongoDB do not agree on TLS (option tls): {text}."
    if "Name or service not known" in text or "getaddrinfo" in text or "nodename" in text:
        return f"a host name in SESSIONS_MONGO_URL does not resolve: {text}."
    if "replica set" in text:
        return f"the replicaSet in SESSIONS_MONGO_URL is not that of the servers found: {text}."
    if isinstance(error, ServerSelectionTimeoutError):
        return f"no MongoDB answers at the hosts of SESSIONS_MONGO_URL: {text}."
    return f"MongoDB cannot be reached: {type(error).__name__}."
