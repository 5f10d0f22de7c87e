"""The chat model that the settings name, or none; for demos, the scripted one."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import httpx2

from config.settings import Settings
from service.llm.scripted import Script, scripted_model

if TYPE_CHECKING:
    from service.llm.openai_model import OpenAIModel

DEMO_URL = "http://demo/v1"


@asynccontextmanager
async def model_for(settings: Settings, *, demo: bool) -> "AsyncIterator[OpenAIModel | None]":
    """Open the configured model. Only with `demo`, a scripted model replaces a missing one."""
    if settings.llm_base_url and settings.llm_model:
        opened = _configured(settings, settings.llm_base_url, settings.llm_model)
    elif demo:
        opened = _scripted()
    else:
        yield None
        return
    async with aclosing(opened) as model:
        yield model


def _configured(settings: Settings, base_url: str, model: str) -> "OpenAIModel":
    return _model_class()(
        base_url,
        model,
        settings.llm_api_key,
        timeout_s=settings.llm_timeout_s,
        max_retries=settings.llm_max_retries,
        max_tokens_field=settings.llm_max_tokens_field,
    )


def _scripted() -> "OpenAIModel":
    transport = httpx2.ASGITransport(scripted_model(Script()))
    return _model_class()(DEMO_URL, "demo", None, timeout_s=10, max_retries=0, transport=transport)


def _model_class() -> "type[OpenAIModel]":
    # Its library takes a third of the time to start, and 12 MB: without a model, it is not loaded.
    from service.llm.openai_model import OpenAIModel  # noqa: PLC0415

    return OpenAIModel
