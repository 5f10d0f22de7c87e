"""On a standalone server the native API works, and operators are told what it does not promise."""

import httpx2

from service.storage.first_contact import STANDALONE
from tests.api.test_native import *  # noqa: F403  All of its tests, here once more.
from tests.api.test_native_idempotency import *  # noqa: F403  The same.


async def test_readyz_says_that_the_server_is_a_standalone(client: httpx2.AsyncClient) -> None:
    ready = await client.get("/readyz")

    assert (ready.status_code, ready.json()["remarks"]) == (200, [STANDALONE])
