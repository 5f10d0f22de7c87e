"""Two processes that count in MongoDB let through what one would, not twice as much."""

import httpx2
import pytest

from tests.two_services.conftest import KEYED_LIMIT

pytestmark = pytest.mark.alone


async def test_two_processes_share_the_count(services: list[httpx2.AsyncClient]) -> None:
    first, second = services

    statuses = [
        (await service.get("/api/v1/health")).status_code
        for _ in range(KEYED_LIMIT)
        for service in (first, second)
    ]

    assert statuses == [200] * KEYED_LIMIT + [429] * KEYED_LIMIT
