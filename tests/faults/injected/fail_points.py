"""Every error code on every command the service sends: each is mapped, none becomes a 500."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2

from service.storage.mongo import MongoSessionStore
from tests.contract.building import open_session, store_on
from tests.databases import connected
from tests.faults.client import token_of
from tests.faults.results import Figure, Result, at_most, none_of
from tests.faults.rig.replica_set import Member
from tests.faults.rig.rig import Rig
from tests.faults.size import Size

CODES = (11600, 11602, 91, 189, 10107, 13435, 6, 7, 89, 112, 50, 64, 100)
CLOSE = {"closeConnection": True}
# Longer than the service waits for one operation.
BLOCK = {"blockConnection": True, "blockTimeMS": 1500}
# The driver retries what fails once; what fails forever must still end in a response.
ONCE = {"times": 1}
MODES: tuple[Any, ...] = (ONCE, "alwaysOn")
# More than MongoDB sends in the first batch, so that getMore requests the rest.
LONG_LOG = 150
TIMEOUT_S = 1
QUICK: Any = {"SESSIONS_MONGO_TIMEOUT_S": str(TIMEOUT_S)}
MESSAGE = {"role": "user", "content": "hello"}
MAPPED = {"200", "201", "202", "503"}
LONGEST_S = 15
RECOVERED_S, POLL_S = 5, 0.02
# A primary that only claims not to be one does not notify the driver when it is one again.
POLLING = "&serverMonitoringMode=poll"

Answer = httpx2.Response
Ask = Callable[["_Sessions"], Awaitable[Answer]]


class _Sessions:
    """Sends the service one request per method, on its own sessions."""

    def __init__(self, client: httpx2.AsyncClient, long: str) -> None:
        self._client = client
        self._long = long

    async def create(self) -> Answer:
        return await self._client.post("/create", params={"agent_id": "agent"})

    async def append(self) -> Answer:
        key = {"Idempotency-Key": uuid4().hex}
        path = f"/history/update/{self._long}"
        return await self._client.post(path, json=MESSAGE, headers=key)

    async def history(self) -> Answer:
        return await self._client.get(f"/history/{self._long}", params={"limit": 1000})

    async def list(self) -> Answer:
        return await self._client.get("/get_all/alice")

    async def clear(self) -> Answer:
        return await self._client.delete(f"/sessions/{self._long}/history")

    async def delete(self) -> Answer:
        return await self._client.delete(f"/delete/{self._long}")


ASKS: dict[str, tuple[Ask, ...]] = {
    "find": (_Sessions.history, _Sessions.list, _Sessions.append),
    "getMore": (_Sessions.history,),
    "insert": (_Sessions.create, _Sessions.append),
    "update": (_Sessions.append, _Sessions.delete),
    "findAndModify": (_Sessions.clear,),
    "delete": (_Sessions.delete,),
}
WRITES = ("insert", "update", "findAndModify", "delete")


async def run(rig: Rig, size: Size, result: Result) -> None:
    """Let each command fail once in each way; with `size.times` 2, also forever."""
    primary = await rig.replicas.healthy()
    statuses: Counter[str] = Counter()
    untold = 0
    async with (
        rig.services(1, mongo_url=rig.replicas.url + POLLING, **QUICK) as [service],
        connected("pymongo", rig.replicas.url) as database,
    ):
        store = await store_on(database[rig.database])
        headers = {"Authorization": f"Bearer {token_of('alice')}"}
        client = httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=LONGEST_S)
        async with client:
            for failure in _failures():
                for mode in MODES[: size.times]:
                    untold += await _inject(client, store, primary, failure, mode, statuses)
            recovered_s = await _recovered_s(_Sessions(client, ""))
        await store.close()
    result.figures += [
        none_of("answers of 500", statuses["500"]),
        none_of("answers that do not tell what was done", untold),
        Figure("answers", "2xx or 503", _shown(statuses), not statuses.keys() - MAPPED),
        at_most("works again within", RECOVERED_S, recovered_s, " s"),
    ]
    result.notes.append(f"{len(CODES)} codes, closed and silent connections on {', '.join(ASKS)}")


def _failures() -> list[tuple[str, dict[str, Any]]]:
    """Return each command with each way it fails."""
    coded = [(command, {"errorCode": code}) for command in ASKS for code in CODES]
    broken = [(command, how) for command in ASKS for how in (CLOSE, BLOCK)]
    unsure: list[tuple[str, dict[str, Any]]] = [
        (command, {"writeConcernError": {"code": code, "errmsg": "injected"}})
        for command in WRITES
        for code in (64, 91)
    ]
    return [*coded, *broken, *unsure]


async def _inject(
    client: httpx2.AsyncClient,
    store: MongoSessionStore,
    primary: Member,
    failure: tuple[str, dict[str, Any]],
    mode: Any,
    statuses: Counter[str],
) -> int:
    """Count the responses by status; return how many do not say what was done."""
    command, how = failure
    asks = ASKS[command]
    logs = [await open_session(store, "a" * LONG_LOG) for _ in asks]
    async with _failing(primary, command, how, mode):
        answers = await asyncio.gather(
            *(ask(_Sessions(client, str(log.id))) for ask, log in zip(asks, logs, strict=True))
        )
    untold = 0
    for answer in answers:
        statuses[str(answer.status_code)] += 1
        untold += answer.status_code >= 500 and "outcome" not in answer.headers
    # Each failure must hit a working service, or the service would never run into it.
    await _recovered_s(_Sessions(client, ""))
    return untold


async def _recovered_s(sessions: _Sessions) -> float:
    begun_s = time.monotonic()
    while not (await sessions.list()).is_success:  # noqa: ASYNC110  Only polling shows it.
        await asyncio.sleep(POLL_S)
    return time.monotonic() - begun_s


@asynccontextmanager
async def _failing(
    member: Member, command: str, how: dict[str, Any], mode: Any
) -> AsyncIterator[None]:
    data = {"failCommands": [command], "appName": "session-service", **how}
    await member.command("configureFailPoint", value="failCommand", mode=mode, data=data)
    try:
        yield
    finally:
        await member.command("configureFailPoint", value="failCommand", mode="off")


def _shown(statuses: Counter[str]) -> str:
    return ", ".join(f"{count} of {status}" for status, count in sorted(statuses.items()) if count)
