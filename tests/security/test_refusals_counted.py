"""Connections refused before they carry a request have no route, but are still counted."""

import re
from collections.abc import Iterator

import httpx2
import pytest

from tests.api.asking import SECRET
from tests.running import run_service
from tests.security.sockets import answer_to


@pytest.fixture(scope="module")
def url(mongo_url: str) -> Iterator[str]:
    with run_service(SESSIONS_MONGO_URL=mongo_url, SESSIONS_JWT_SECRET=SECRET) as service:
        yield service.url


async def refused(url: str, status: int) -> float:
    """Return how many connections were refused with this status."""
    async with httpx2.AsyncClient() as client:
        shown = (await client.get(f"{url}/metrics")).text
    series = re.escape(f'sessions_http_refused_total{{status="{status}"}}')
    found = re.search(rf"^{series} (\S+)$", shown, re.MULTILINE)
    return float(found[1]) if found else 0


async def test_bytes_that_are_not_http_are_counted_by_their_status(url: str) -> None:
    before = await refused(url, 400)

    await answer_to(int(url.rpartition(":")[2]), b"junk\r\n\r\n")

    assert await refused(url, 400) == before + 1
