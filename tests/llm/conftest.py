"""A model over HTTP, and the script it follows."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from service.llm.openai_model import OpenAIModel
from service.llm.scripted import Script
from tests.scripted import ScriptedModel, scripted_server


@pytest.fixture(scope="session")
async def scripted() -> AsyncIterator[ScriptedModel]:
    async with scripted_server() as scripted:
        yield scripted


@pytest.fixture
def script(scripted: ScriptedModel) -> Script:
    return scripted.begin()


@pytest.fixture
def url(scripted: ScriptedModel) -> str:
    return scripted.url


@pytest.fixture
async def model(url: str) -> AsyncIterator[OpenAIModel]:
    model = OpenAIModel(url, "small", SecretStr("the key"), timeout_s=5, max_retries=0)
    yield model
    await model.aclose()
