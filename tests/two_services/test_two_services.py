"""Two services, one MongoDB, many writers: nothing lost, duplicated or overtaken.

The writers run once; each test examines what they left.
"""

import asyncio
from collections import Counter, defaultdict
from itertools import count
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.every import every
from tests.sizes import sized

pytestmark = pytest.mark.alone

WRITERS_PER_SERVICE = 32
WRITERS = 2 * WRITERS_PER_SERVICE
SESSIONS = 10
APPENDS = sized(2500, nightly=5000)
RETRY_EVERY = 10
PAGE = 1000

Services = list[httpx2.AsyncClient]


class Sent(NamedTuple):
    """An append: each writer counts from 0, and takes the sessions in turn."""

    writer: int
    turn: int

    @property
    def session(self) -> int:
        return (self.writer + self.turn) % SESSIONS

    @property
    def text(self) -> str:
        return f"{self.writer}:{self.turn}"

    @property
    def is_retried(self) -> bool:
        return self.turn % RETRY_EVERY == 0


def appends_of(writer: int) -> list[Sent]:
    return [Sent(writer, turn) for turn in range(len(range(writer, APPENDS, WRITERS)))]


def sent_texts() -> list[Counter[str]]:
    """Return the texts sent to each session, each once."""
    texts: list[Counter[str]] = [Counter() for _ in range(SESSIONS)]
    for writer in range(WRITERS):
        for sent in appends_of(writer):
            texts[sent.session][sent.text] += 1
    return texts


async def create(service: httpx2.AsyncClient) -> str:
    answer = await service.post("/create", params={"agent_id": "agent"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["session_id"])


async def append(service: httpx2.AsyncClient, session_id: str, sent: Sent) -> None:
    answer = await service.post(
        f"/history/update/{session_id}",
        json={"role": "user", "content": sent.text},
        headers={"Idempotency-Key": sent.text},
    )
    assert answer.status_code == 200, answer.text


async def write(services: Services, session_ids: list[str], writer: int) -> None:
    own, other = services if writer < WRITERS_PER_SERVICE else services[::-1]
    for sent in appends_of(writer):
        session_id = session_ids[sent.session]
        await append(own, session_id, sent)
        if sent.is_retried:
            await append(own, session_id, sent)
            await append(other, session_id, sent)


async def history(service: httpx2.AsyncClient, session_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for skip in count(0, PAGE):
        params: dict[str, Any] = {"limit": PAGE, "skip": skip, "include": "seq"}
        answer = await service.get(f"/history/{session_id}", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()["data"]
        found += page
        if len(page) < PAGE:
            break
    return found


@pytest.fixture(scope="module")
async def session_ids(services: Services) -> list[str]:
    """Return the sessions once all writers are done."""
    ids = [await create(services[n % 2]) for n in range(SESSIONS)]
    await asyncio.gather(*(write(services, ids, writer) for writer in range(WRITERS)))
    return ids


@pytest.fixture(scope="module", params=[0, 1], ids=["first service", "second service"])
async def logs(
    request: pytest.FixtureRequest, services: Services, session_ids: list[str]
) -> list[list[dict[str, Any]]]:
    """Return all logs as one of the services shows them."""
    return [await history(services[request.param], session_id) for session_id in session_ids]


def test_every_log_is_numbered_from_one_without_gaps(logs: list[list[dict[str, Any]]]) -> None:
    for log in logs:
        assert [message["seq"] for message in log] == list(range(1, len(log) + 1))


def test_nothing_is_lost_duplicated_or_in_another_log(logs: list[list[dict[str, Any]]]) -> None:
    found = [Counter(message["content"] for message in log) for log in logs]

    assert found == sent_texts()
    assert sum(map(Counter.total, found)) == APPENDS


def test_each_writers_messages_are_in_the_order_they_were_sent(
    logs: list[list[dict[str, Any]]],
) -> None:
    for log in logs:
        turns: defaultdict[str, list[int]] = defaultdict(list)
        for message in log:
            writer, turn = message["content"].split(":")
            turns[writer].append(int(turn))

        assert every(found == sorted(found) for found in turns.values())


async def test_both_services_show_the_same_heads(
    services: Services, session_ids: list[str]
) -> None:
    for session_id, sent in zip(session_ids, sent_texts(), strict=True):
        shown = [(await service.get(f"/get/{session_id}")).json() for service in services]

        assert shown[0] == shown[1]
        assert shown[0]["data"]["message_count"] == sent.total()
