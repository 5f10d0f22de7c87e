"""Why a MongoDB cannot be used, in the words of its settings; never with a user or password."""

import asyncio
import errno
from typing import NamedTuple

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, OperationFailure, ProtocolError, PyMongoError
from pymongo.server_type import SERVER_TYPE
from pymongo.topology_description import TopologyDescription

from service.storage.driver import Database, Document
from service.storage.url import UnusableUrl, has_user, without_overridden

# An operator waits less than three seconds for the sentence; a connection less than the look.
LOOK_MS = 2500
CONNECT_MS = 2000

UNAUTHORIZED = 13
AUTHENTICATION_FAILED = frozenset({18, 8000})
MECHANISM_UNAVAILABLE = 334

STANDALONE = (
    "MongoDB is a standalone server and not a replica set: no failover, and a majority write is "
    "the journal of that one node"
)
WRONG_LOGIN = (
    "MongoDB refuses the login: the user or password in SESSIONS_MONGO_URL is wrong, or its "
    "authSource (without one: the database in the path, else admin)"
)
NO_LOGIN = "MongoDB wants a login, and SESSIONS_MONGO_URL has no user: mongodb://user:password@…"
NO_RIGHT = "the user in SESSIONS_MONGO_URL may not use its database: grant readWrite"
NO_RIGHT_IN = (
    "the user in SESSIONS_MONGO_URL may not create indexes in database {}, nor read it: "
    "grant readWrite"
)
WRONG_MECHANISM = "MongoDB refuses the authMechanism of SESSIONS_MONGO_URL"
REFUSED = "MongoDB refuses a command of the service"
WRONG_SET = (
    "No member of the replica set in SESSIONS_MONGO_URL is found: its replicaSet is wrong, or "
    "the server is in no set"
)
NO_PRIMARY = "The replica set of SESSIONS_MONGO_URL has no primary now, or is not initiated"
NO_NAME = "A host in SESSIONS_MONGO_URL does not resolve"
UNTRUSTED = (
    "MongoDB's certificate is not trusted: see tlsCAFile and the hosts in SESSIONS_MONGO_URL"
)
NO_TLS = "The TLS handshake with MongoDB fails: see tls in SESSIONS_MONGO_URL"
CLOSED = (
    "The server closes the connection: see the port in SESSIONS_MONGO_URL, and if it needs tls=true"
)
NOBODY = "Nothing listens at a host and port in SESSIONS_MONGO_URL"
NOT_MONGODB = "What listens at a host and port in SESSIONS_MONGO_URL is no MongoDB"
SILENT = "A host in SESSIONS_MONGO_URL does not respond"

# The driver keeps the text of what the system said, not its class. Of two parts the first counts.
REASONS = {
    "CERTIFICATE_VERIFY_FAILED": UNTRUSTED,
    "SSL": NO_TLS,
    # The codes of getaddrinfo are negative on Linux; BSD and macOS have this text.
    "[Errno -": NO_NAME,
    "nodename nor servname": NO_NAME,
    f"[Errno {errno.ECONNREFUSED}]": NOBODY,
    "connection closed": CLOSED,
    "Connection is closed": CLOSED,
    f"[Errno {errno.ECONNRESET}]": CLOSED,
}

# Waiting does not help: what is wrong is written down somewhere.
LASTING = frozenset({WRONG_LOGIN, NO_LOGIN, WRONG_MECHANISM, WRONG_SET, UNTRUSTED})


class Trouble(NamedTuple):
    """What is wrong; `at` is the host and port it was met at, if it was met at one."""

    text: str
    at: str | None = None

    @property
    def lasts(self) -> bool:
        return self.text in LASTING

    def __str__(self) -> str:
        return f"{self.text} ({self.at})" if self.at else self.text


class FirstLook(NamedTuple):
    trouble: Trouble | None
    is_standalone: bool


async def first_look(mongo_url: str, database: str) -> FirstLook:
    """Ask the MongoDB something that takes a login where it wants one; within three seconds.

    Raises:
        UnusableUrl: the URL contradicts itself, or names a file that cannot be read.
    """
    # In a thread: where a connection fails, the driver's async client leaves its socket open.
    return await asyncio.to_thread(_look, mongo_url, database)


def _look(mongo_url: str, database: str) -> FirstLook:
    with _client(mongo_url) as client:
        trouble = _trouble_of(client, database, has_user=has_user(mongo_url))
        return FirstLook(trouble, _is_standalone(client.topology_description))


def known_of(database: Database) -> list[str]:
    """Return what the driver knows now that operators should know; sends nothing to MongoDB."""
    topology: TopologyDescription = database.client.topology_description
    if _is_standalone(topology):
        return [STANDALONE]
    if topology.has_writable_server():
        return []
    return [_trouble_in(topology).text]


def refusal(error: OperationFailure) -> Trouble:
    """Return why MongoDB refuses a command to a user."""
    if error.code in AUTHENTICATION_FAILED:
        return Trouble(WRONG_LOGIN)
    reasons = {MECHANISM_UNAVAILABLE: WRONG_MECHANISM, UNAUTHORIZED: NO_RIGHT}
    return Trouble(reasons.get(error.code or 0, f"{REFUSED} (code {error.code})"))


def _client(mongo_url: str) -> MongoClient[Document]:
    try:
        return MongoClient(
            without_overridden(mongo_url),
            appName="session-service",
            timeoutMS=LOOK_MS,
            connectTimeoutMS=CONNECT_MS,
            maxPoolSize=1,
            minPoolSize=0,
        )
    except OSError as error:
        raise UnusableUrl(f"cannot read {error.filename}: {error.strerror}") from None
    except (ConfigurationError, ValueError):
        # The driver's text may quote what was written.
        raise UnusableUrl("its options contradict each other") from None


def _trouble_of(client: MongoClient[Document], database: str, *, has_user: bool) -> Trouble | None:
    try:
        client[database].command("listCollections", nameOnly=True, authorizedCollections=True)
    except OperationFailure as error:
        if error.code == UNAUTHORIZED:
            return Trouble(NO_RIGHT_IN.format(database) if has_user else NO_LOGIN)
        return refusal(error)
    except PyMongoError:
        return _trouble_in(client.topology_description)
    return None


def _trouble_in(topology: TopologyDescription) -> Trouble:
    """Return the reason why no server can be chosen for a write."""
    servers = topology.server_descriptions()
    if not servers:
        return Trouble(WRONG_SET)
    if any(server.server_type != SERVER_TYPE.Unknown for server in servers.values()):
        return Trouble(NO_PRIMARY)
    for (host, port), server in servers.items():
        if server.error is not None:
            return Trouble(_reason(server.error), f"{host}:{port}")
    return Trouble(SILENT)


def _reason(error: Exception) -> str:
    if isinstance(error, OperationFailure):
        return refusal(error).text
    if isinstance(error, ConfigurationError):
        return WRONG_SET
    if isinstance(error, ProtocolError):
        return NOT_MONGODB
    text = str(error)
    return next((reason for part, reason in REASONS.items() if part in text), SILENT)


def _is_standalone(topology: TopologyDescription) -> bool:
    return any(
        server.server_type == SERVER_TYPE.Standalone
        for server in topology.server_descriptions().values()
    )
