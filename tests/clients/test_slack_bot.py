"""PySpur's documented Slack bot finds the session of a thread again, on a real port."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest

from service.auth.mint import mint
from service.domain.access import ADMIN_SCOPE
from tests.api.asking import SECRET
from tests.api.test_pyspur_clients import bot_session
from tests.running import RunningService


@pytest.fixture
async def bot(service: RunningService) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=service.url) as client:
        yield client


async def test_a_thread_keeps_its_session(bot: httpx2.AsyncClient) -> None:
    token = mint(SECRET, user_id="bot", scopes=[ADMIN_SCOPE], lifetime_s=86400)
    slack_user = f"U{uuid4().hex}"

    first = await bot_session(bot, token, slack_user, "1732176000.000100")
    again = await bot_session(bot, token, slack_user, "1732176000.000100")
    other = await bot_session(bot, token, slack_user, "1732176000.000200")

    assert first == again
    assert first != other
