"""The cap on requests in flight: any request beyond it is told to retry, and nothing leaks."""

import asyncio

import httpx2
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from service.api.kit.endpoint import Endpoint
from service.api.kit.router import Router
from service.edge.in_flight import BUSY, InFlight, InFlightCap
from tests.served import until
from tests.throwaway import application, dialect_of

LIMIT = 3


class Slow:
    """An application that responds only when allowed to."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.waiting = 0
        quick = Endpoint("GET", "/a", self._answer, "Test.", open=True)
        health = Endpoint("GET", "/livez", self._answer, "Test.", open=True, always_answered=True)
        dialect = dialect_of(quick, health)
        cap = Middleware(InFlightCap, in_flight=InFlight(LIMIT), router=Router([dialect]))
        app, _ = application(dialect, cap)
        transport = httpx2.ASGITransport(app)
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://service")

    async def _answer(self, _: Request) -> Response:
        self.waiting += 1
        await self.may_answer.wait()
        return Response("done")


async def test_requests_beyond_the_cap_are_503_with_retry_after_in_json() -> None:
    slow = Slow()
    first = [asyncio.create_task(slow.client.get("/a")) for _ in range(LIMIT)]
    await until(lambda: slow.waiting == LIMIT)

    refused = await slow.client.get("/a")
    slow.may_answer.set()
    answers = await asyncio.gather(*first)

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json() == {"refused": BUSY.advice}
    assert [answer.status_code for answer in answers] == [200] * LIMIT


async def test_requests_are_served_again_when_others_have_ended() -> None:
    slow = Slow()
    slow.may_answer.set()

    statuses = [(await slow.client.get("/a")).status_code for _ in range(LIMIT * 3)]

    assert statuses == [200] * LIMIT * 3


async def test_a_busy_process_still_reports_its_health() -> None:
    slow = Slow()
    asked = [asyncio.create_task(slow.client.get("/a")) for _ in range(LIMIT)]
    await until(lambda: slow.waiting == LIMIT)

    health = asyncio.create_task(slow.client.get("/livez"))
    await until(lambda: slow.waiting == LIMIT + 1)
    slow.may_answer.set()

    assert (await health).status_code == 200
    await asyncio.gather(*asked)
