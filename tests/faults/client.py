"""One attempt on the wire, from the request to its record."""

import time
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

import orjson

from service.auth.mint import mint
from tests.faults.bodies import owners_in
from tests.faults.dialects import Ask, Facts, exchange
from tests.faults.history import Dialect, Kind, Operation, Outcome
from tests.faults.rig.service import SECRET
from tests.faults.wire import Answer, NoAnswer, NotSent, Server

TOKEN_LIFETIME_S = 86_400
MAX_PROBLEM_CHARS = 200
WHOLE_LOGS = {Dialect.PYSPUR, Dialect.KEYED}


@cache
def token_of(user: str) -> str:
    return mint(SECRET, user_id=user, scopes=(), lifetime_s=TOKEN_LIFETIME_S)


class Attempt(NamedTuple):
    """Who requests what, and which attempt of which call it is."""

    user: str
    ask: Ask
    call: int
    number: int = 1
    walk: int | None = None


class Client:
    """Sends requests to several addresses of a service, chosen at random."""

    def __init__(self, urls: Sequence[str], *, deadline_s: float) -> None:
        self._servers = [Server(url) for url in urls]
        self._deadline_s = deadline_s

    async def make(self, attempt: Attempt, random: Random) -> Operation:
        """Return the record of the attempt."""
        server = random.choice(self._servers)
        request = _encoded(attempt, server.authority)
        fields = asked(attempt)
        invoked_s = time.monotonic()
        try:
            answer = await server.ask(request, deadline_s=self._deadline_s)
        except (NotSent, NoAnswer) as failure:
            outcome = Outcome.UNSENT if isinstance(failure, NotSent) else Outcome.UNKNOWN
            fields |= {"outcome": outcome, "problem": str(failure)[:MAX_PROBLEM_CHARS]}
        else:
            fields |= _answered(attempt.ask, answer)
        return Operation(**fields, invoked_s=invoked_s, completed_s=time.monotonic())

    def close(self) -> None:
        for server in self._servers:
            server.close()


def _encoded(attempt: Attempt, authority: str) -> bytes:
    method, path, body = exchange(attempt.ask).request(attempt.ask)
    content = b"" if body is None else orjson.dumps(body)
    lines = [
        f"{method} {path} HTTP/1.1",
        f"host: {authority}",
        f"authorization: Bearer {token_of(attempt.user)}",
        f"content-length: {len(content)}",
        "content-type: application/json",
    ]
    if attempt.ask.key is not None:
        lines.append(f"idempotency-key: {attempt.ask.key}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def asked(attempt: Attempt) -> dict[str, Any]:
    """Return the fields of an operation that are known before it is sent."""
    ask = attempt.ask
    is_whole = ask.kind is Kind.HISTORY and ask.dialect in WHOLE_LOGS
    return {
        "call": attempt.call,
        "attempt": attempt.number,
        "walk": attempt.walk,
        "kind": ask.kind,
        "dialect": ask.dialect,
        "user": attempt.user,
        "session": ask.session or None,
        "sent": ask.sent if ask.texts else (),
        "skip": 0 if is_whole else ask.skip,
        "limit": None if is_whole else ask.limit,
    }


def _answered(ask: Ask, answer: Answer) -> dict[str, Any]:
    outcome = outcome_of(answer)
    facts, is_well_formed = Facts(), True
    try:
        body = orjson.loads(answer.body) if answer.body else {}
        if outcome is Outcome.OK:
            facts = exchange(ask).read(ask, body)
        else:
            is_well_formed = _is_error(body)
    except (KeyError, IndexError, TypeError, ValueError):
        is_well_formed = False
    retry_after = answer.headers.get("retry-after", "")
    fields: dict[str, Any] = {
        "outcome": outcome,
        "status": answer.status,
        "retry_after_s": int(retry_after) if retry_after.isdigit() else None,
        "is_well_formed": is_well_formed,
        "problem": None if outcome is Outcome.OK else _text(answer),
        "seen": facts.seen,
        "heads": facts.heads,
        "canaries": owners_in(answer.body),
    }
    return fields | {"session": facts.session} if facts.session else fields


def outcome_of(answer: Answer) -> Outcome:
    if answer.status in range(200, 300):
        return Outcome.OK
    if answer.status < 500 or answer.headers.get("outcome") == "unchanged":
        return Outcome.REFUSED
    return Outcome.UNKNOWN


def _is_error(body: object) -> bool:
    """Say whether it explains the error, in the format of one of the dialects."""
    if not isinstance(body, dict):
        return False
    if body.get("detail"):
        return True
    return isinstance(body.get("message"), str) and ("error" in body or "status_code" in body)


def _text(answer: Answer) -> str:
    return answer.body.decode(errors="replace")[:MAX_PROBLEM_CHARS]
