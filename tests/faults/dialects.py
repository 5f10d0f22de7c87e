"""How each operation is requested in each dialect, and what its response shows.

`WIRE` lists the operations; a dialect without an entry has no such operation. The keyed dialect
identifies a session by its key, or by `id:` and its id.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from service.llm.scripted import demo_answer
from tests.faults.bodies import hash_of
from tests.faults.history import Dialect, Head, Kind, Seen, Sent

AGENT = "agent"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a client requests; `owner` owns the session, or, in a list, is the user listed."""

    kind: Kind
    dialect: Dialect
    owner: str
    session: str = ""
    name: str | None = None
    """The key of the session among its owner's sessions."""
    texts: tuple[str, ...] = ()
    is_turn: bool = False
    """Whether a model completes the texts, and all are appended together."""
    key: str | None = None
    skip: int = 0
    limit: int = 20

    @property
    def messages(self) -> tuple[tuple[str, str | None], ...]:
        """Return the texts that are appended, including the model's completion, and their keys."""
        if not self.is_turn:
            return tuple((text, self.key) for text in self.texts)
        answer = demo_answer({"messages": [_user_message(self.texts[-1])]})
        places = [*range(len(self.texts)), "answer"]
        keys = [None if self.key is None else f"chat:{self.key}:{place}" for place in places]
        return tuple(zip((*self.texts, answer), keys, strict=True))

    @property
    def sent(self) -> tuple[Sent, ...]:
        return tuple(Sent(hash_of(text), key) for text, key in self.messages)

    @property
    def called(self) -> str:
        """Return the name of the session in the keyed dialect."""
        return self.name or f"id:{self.session}"


class Request(NamedTuple):
    method: str
    path: str
    body: Json | None = None


class Facts(NamedTuple):
    """What a response shows."""

    session: str | None = None
    seen: tuple[Seen, ...] = ()
    heads: tuple[Head, ...] = ()


class Exchange(NamedTuple):
    """A request and how its response is read; reading raises if the response has another shape."""

    request: Callable[[Ask], Request]
    read: Callable[[Ask, Json], Facts]


def exchange(ask: Ask) -> Exchange:
    return WIRE[ask.dialect, ask.kind, ask.is_turn]


def dialects_for(kind: Kind, *, is_turn: bool = False) -> list[Dialect]:
    return [dialect for dialect in Dialect if (dialect, kind, is_turn) in WIRE]


def _path(*parts: str, **query: object) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    path = "/" + "/".join(quote(part, safe=":") for part in parts)
    return f"{path}?{urlencode(given)}" if given else path


def _nothing(_: Ask, __: Json) -> Facts:
    return Facts()


def _user_message(text: str) -> Json:
    return {"role": "user", "content": text}


def _messages(messages: Iterable[Json]) -> tuple[Seen, ...]:
    return tuple(Seen(hash_of(m["content"]), m.get("seq")) for m in messages)


# Native


def _native_window(ask: Ask, *path: str) -> Request:
    window = {"limit": ask.limit, "skip": ask.skip, "include": "seq"}
    return Request("GET", _path(*path, ask.session, **window))


def _native_data(_: Ask, answer: Json) -> Facts:
    return Facts(seen=_messages(answer["data"]))


def _native_head(head: Json) -> Head:
    return Head(head["session_id"], head["message_count"])


def _native_details(_: Ask, answer: Json) -> Facts:
    data = answer["data"]
    return Facts(seen=_messages(data["history"]), heads=(_native_head(data),))


def _native_chat(ask: Ask, answer: Json) -> Facts:
    return Facts(seen=_messages([answer["data"]]))


NATIVE = {
    (Kind.CREATE, False): Exchange(
        lambda ask: Request("POST", _path("create", agent_id=AGENT, key=ask.name)),
        lambda _, answer: Facts(session=answer["session_id"]),
    ),
    (Kind.APPEND, False): Exchange(
        lambda ask: Request(
            "POST", _path("history", "update", ask.session), _user_message(ask.texts[0])
        ),
        _nothing,
    ),
    (Kind.APPEND, True): Exchange(
        lambda ask: Request("POST", _path("chat", ask.session), {"content": ask.texts[-1]}),
        _native_chat,
    ),
    (Kind.DELETE, False): Exchange(
        lambda ask: Request("DELETE", _path("delete", ask.session)), _nothing
    ),
    (Kind.HISTORY, False): Exchange(lambda ask: _native_window(ask, "history"), _native_data),
    (Kind.RECENT, False): Exchange(
        lambda ask: _native_window(ask, "history", "recent"), _native_data
    ),
    (Kind.GET, False): Exchange(lambda ask: _native_window(ask, "get"), _native_details),
    (Kind.LIST, False): Exchange(
        lambda ask: Request("GET", _path("get_all", ask.owner, limit=100)),
        lambda _, answer: Facts(heads=tuple(map(_native_head, answer["data"]))),
    ),
}


# PySpur


def _pyspur_body(ask: Ask) -> Json:
    return {"user_id": ask.owner, "workflow_id": AGENT, "external_id": ask.name}


def _pyspur_log(_: Ask, answer: Json) -> Facts:
    return Facts(seen=_messages(m["content"] for m in answer["messages"]))


def _pyspur_heads(_: Ask, answer: Json) -> Facts:
    return Facts(heads=tuple(Head(session["id"], None) for session in answer["sessions"]))


PYSPUR = {
    (Kind.CREATE, False): Exchange(
        lambda ask: Request("POST", "/session/", _pyspur_body(ask)),
        lambda _, answer: Facts(session=answer["id"]),
    ),
    (Kind.DELETE, False): Exchange(
        lambda ask: Request("DELETE", _path("session", ask.session, "")), _nothing
    ),
    (Kind.HISTORY, False): Exchange(
        lambda ask: Request("GET", _path("session", ask.session, "")), _pyspur_log
    ),
    (Kind.LIST, False): Exchange(
        lambda ask: Request("GET", _path("session", "", user_id=ask.owner, limit=100)),
        _pyspur_heads,
    ),
}


# Keyed


def _keyed_path(ask: Ask, *more: str) -> str:
    return _path("api", "v1", "sessions", ask.called, *more)


def _keyed_chat(ask: Ask, answer: Json) -> Facts:
    return Facts(seen=(Seen(hash_of(answer["response"])),))


def _keyed_export(_: Ask, answer: Json) -> Facts:
    return Facts(session=answer["session_id"], seen=_messages(answer["messages"]))


def _keyed_count(ask: Ask, answer: Json) -> Facts:
    return Facts(heads=(Head(ask.session, answer["message_count"]),))


KEYED = {
    (Kind.APPEND, True): Exchange(
        lambda ask: Request(
            "POST", "/api/v1/chat", {"message": ask.texts[-1], "session_key": ask.called}
        ),
        _keyed_chat,
    ),
    (Kind.DELETE, False): Exchange(lambda ask: Request("DELETE", _keyed_path(ask)), _nothing),
    (Kind.HISTORY, False): Exchange(
        lambda ask: Request("GET", _keyed_path(ask, "export")), _keyed_export
    ),
    (Kind.GET, False): Exchange(lambda ask: Request("GET", _keyed_path(ask)), _keyed_count),
}


# Julep


def _julep_path(ask: Ask, *more: str, **query: object) -> str:
    return _path("sessions", ask.session, *more, **query)


def _julep_chat(ask: Ask) -> Request:
    # Without its history, which would only make the request to the model longer.
    body = {"messages": [_user_message(text) for text in ask.texts], "recall": False}
    return Request("POST", _julep_path(ask, "chat"), body)


def _julep_items(_: Ask, answer: Json) -> Facts:
    return Facts(seen=_messages(answer["items"]))


def _julep_heads(_: Ask, answer: Json) -> Facts:
    return Facts(heads=tuple(Head(item["id"], None) for item in answer["items"]))


JULEP = {
    (Kind.CREATE, False): Exchange(
        lambda _: Request("POST", "/sessions", {"agent_id": AGENT}),
        lambda _, answer: Facts(session=answer["id"]),
    ),
    (Kind.APPEND, False): Exchange(
        lambda ask: Request("POST", _julep_path(ask, "messages"), _user_message(ask.texts[0])),
        lambda _, answer: Facts(seen=_messages([answer])),
    ),
    (Kind.APPEND, True): Exchange(
        _julep_chat, lambda _, answer: Facts(seen=_messages(answer["response"][0]))
    ),
    (Kind.DELETE, False): Exchange(lambda ask: Request("DELETE", _julep_path(ask)), _nothing),
    (Kind.CLEAR, False): Exchange(
        lambda ask: Request("DELETE", _julep_path(ask, "history")), _nothing
    ),
    (Kind.HISTORY, False): Exchange(
        lambda ask: Request("GET", _julep_path(ask, "history", limit=ask.limit, offset=ask.skip)),
        _julep_items,
    ),
    (Kind.GET, False): Exchange(
        lambda ask: Request("GET", _julep_path(ask)),
        lambda _, answer: Facts(heads=(Head(answer["id"], None),)),
    ),
    (Kind.LIST, False): Exchange(lambda _: Request("GET", "/sessions?limit=100"), _julep_heads),
}

WIRE = {
    (dialect, kind, is_turn): exchange
    for dialect, exchanges in (
        (Dialect.NATIVE, NATIVE),
        (Dialect.PYSPUR, PYSPUR),
        (Dialect.KEYED, KEYED),
        (Dialect.JULEP, JULEP),
    )
    for (kind, is_turn), exchange in exchanges.items()
}
