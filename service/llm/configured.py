"""The chat model the settings name, or none; for demos, the scripted one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from config.settings import Settings
from service.llm.openai_model import OpenAIModel
from service.llm.scripted import Script, scripted_model

DEMO_URL = "http://demo/v1"


@asynccontextmanager
async def model_for(settings: Settings, *, demo: bool) -> AsyncIterator[OpenAIModel | None]:
    """Open the configured model. Only with `demo` one that is scripted stands in for none."""
    model = _configured(settings) or (_scripted() if demo else None)
    try:
        yield model
    finally:
        if model is not None:
            await model.close()


def _configured(settings: Settings) -> OpenAIModel | None:
    if settings.llm_base_url is None or settings.llm_model is None:
        return None
    return OpenAIModel(
        settings.llm_base_url,
        settings.llm_model,
        settings.llm_api_key,
        timeout_s=settings.llm_timeout_s,
        max_retries=settings.llm_max_retries,
    )


def _scripted() -> OpenAIModel:
    transport = httpx2.ASGITransport(scripted_model(Script()))
    return OpenAIModel(DEMO_URL, "demo", None, timeout_s=10, max_retries=0, transport=transport)
