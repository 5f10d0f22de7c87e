"""Writers that wait for each response, so that the order of their messages is known."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

from bench.bearer import SECRET
from bench.load import LoadFailed, Sent
from service.auth.mint import mint

HTTP_OK = 200
TIMEOUT_S = 30
CONTENT_CHARS = 200
TOKEN_LIFETIME_S = 24 * 60 * 60


class User(NamedTuple):
    """An owner of sessions, with a token that says so."""

    id: str
    token: str


class Owned(NamedTuple):
    """A session and its owner."""

    session_id: str
    user: User


class Client:
    """One connection to a contender; the caller closes it."""

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)

    def close(self) -> None:
        self._connection.close()

    def ask(self, user: User, method: str, path: str, body: bytes | None = None) -> bytes:
        """Return the body of the response.

        Raises:
            LoadFailed: it is another status than 200.
        """
        headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "application/json"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != HTTP_OK:
            raise LoadFailed(f"{method} {path}: {answer.status} {content[:200]!r}")
        return content

    def append(self, owned: Owned, text: str) -> None:
        message = {"role": "user", "content": text.ljust(CONTENT_CHARS, "x")}
        path = f"/history/update/{owned.session_id}"
        self.ask(owned.user, "POST", path, orjson.dumps(message))

    def create(self, user: User) -> Owned:
        created = orjson.loads(self.ask(user, "POST", "/create?agent_id=bench"))
        return Owned(created["session_id"], user)


def users(how_many: int) -> list[User]:
    names = [f"bench{number}" for number in range(how_many)]
    return [
        User(name, mint(SECRET, user_id=name, scopes=(), lifetime_s=TOKEN_LIFETIME_S))
        for name in names
    ]


def write(urls: list[str], sessions: list[Owned], *, writers: int, appends: int) -> list[Sent]:
    """Append to the sessions in turn; each writer keeps to one of the URLs.

    Returns what each writer sent; all of it got a response.
    """

    def write_one(writer: int) -> Sent:
        places = range(writer, appends, writers)
        with closing(Client(urls[writer % len(urls)])) as client:
            for number, place in enumerate(places, 1):
                client.append(sessions[place % len(sessions)], f"w{writer}:{number} ")
        return Sent(f"w{writer}", len(places))

    with ThreadPoolExecutor(writers) as pool:
        return list(pool.map(write_one, range(writers)))
