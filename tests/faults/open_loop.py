"""A process that sends appends at a rate, whatever comes back, and does little else.

    python -m tests.faults.open_loop URL RATE SECONDS IN_FLIGHT SEED

The load of `load.py` records what it sees, which costs more than shedding does: beyond what the
service can handle, that would measure ourselves. RATE 0 sends as fast as responses come.
Prints a JSON object: how many were sent, and how long each accepted one took.
"""

import asyncio
import sys
import time
from random import Random
from typing import NamedTuple

import orjson
import uvloop

from tests.faults.client import token_of
from tests.faults.wire import NoAnswer, NotSent, Server

SESSIONS = 50
DEADLINE_S = 30
# Balancers keep connections this long: no one restarts the service under this load.
IDLE_EXPIRY_S = 60
USER = "alice"
OK = range(200, 300)


class Load(NamedTuple):
    url: str
    rate_per_s: float
    duration_s: float
    in_flight: int
    seed: int


class Sent(NamedTuple):
    """The result of the load: `accepted_s` is how long each accepted append took."""

    offered: int
    statuses: dict[str, int]
    accepted_s: list[float]
    took_s: float


class _OpenLoop:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._server = Server(load.url, idle_expiry_s=IDLE_EXPIRY_S)
        self._random = Random(load.seed)
        self._slots = asyncio.Semaphore(load.in_flight)
        self._statuses: dict[str, int] = {}
        self._accepted_s: list[float] = []
        self._offered = 0

    async def run(self) -> Sent:
        paths = [await self._session() for _ in range(SESSIONS)]
        begun_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            due_s = begun_s
            while time.monotonic() < begun_s + self._load.duration_s:
                if self._load.rate_per_s:
                    due_s += self._random.expovariate(self._load.rate_per_s)
                    if due_s > time.monotonic():
                        await asyncio.sleep(due_s - time.monotonic())
                await self._slots.acquire()
                self._offered += 1
                tasks.create_task(self._append(self._random.choice(paths)))
        took_s = time.monotonic() - begun_s
        self._server.close()
        return Sent(self._offered, self._statuses, self._accepted_s, took_s)

    async def _session(self) -> str:
        answer = await self._server.ask(self._request("/create?agent_id=a"), deadline_s=DEADLINE_S)
        return f"/history/update/{orjson.loads(answer.body)['session_id']}"

    async def _append(self, path: str) -> None:
        body = orjson.dumps({"role": "user", "content": f"message {self._offered}"})
        begun_s = time.monotonic()
        try:
            answer = await self._server.ask(self._request(path, body), deadline_s=DEADLINE_S)
        except (NotSent, NoAnswer):
            status = "none"
        else:
            status = str(answer.status)
            if answer.status in OK:
                self._accepted_s.append(time.monotonic() - begun_s)
        finally:
            self._slots.release()
        self._statuses[status] = self._statuses.get(status, 0) + 1

    def _request(self, path: str, body: bytes = b"") -> bytes:
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {self._server.authority}\r\n"
            f"authorization: Bearer {token_of(USER)}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def send(load: Load) -> Sent:
    """Run a process that sends this load; return its result."""
    arguments = [str(value) for value in load]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.faults.open_loop", *arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    return Sent(**orjson.loads(printed))


async def _main() -> None:
    url, *numbers = sys.argv[1:]
    rate_per_s, duration_s, in_flight, seed = numbers
    load = Load(url, float(rate_per_s), float(duration_s), int(in_flight), int(seed))
    sent = await _OpenLoop(load).run()
    sys.stdout.buffer.write(orjson.dumps(sent._asdict()))


if __name__ == "__main__":
    uvloop.run(_main())
