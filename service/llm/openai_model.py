"""A chat model behind an OpenAI-compatible `/chat/completions`: the only home of openai."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
from pydantic import BaseModel, SecretStr

from service.domain.chat.completion import Completion, Delta, ModelSettings
from service.domain.errors import ModelFailed, ModelTimeout
from service.domain.models import NewMessage
from service.llm.answers import Answer, Chunk, StreamedAnswer
from service.llm.bounded import bound

MAX_CONNECTIONS = 200
SHOWN_FIELDS = {"role", "content", "name", "tool_calls", "tool_call_id"}
REFUSALS = {
    401: "refused the service's key",
    403: "refused the service's key",
    429: "takes no more requests for now",
}

logger = logging.getLogger(__name__)


class OpenAIModel:
    """Keeps what the ChatModel port promises.

    One deadline, `timeout_s`, holds for everything a call does: waiting for a connection,
    retries with their pauses, and reading the answer. Retried is what came to nothing:
    lost connections, 408, 409, 429 and 5xx, and never in the middle of a stream.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: SecretStr | None,
        *,
        timeout_s: float,
        max_retries: int,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = model
        self._timeout_s = timeout_s
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            # Without one, the library would send a key from the environment to this URL.
            api_key=api_key.get_secret_value() if api_key else "none",
            timeout=timeout_s,
            max_retries=max_retries,
            default_headers={"Accept-Encoding": "identity"},
            http_client=httpx2.AsyncClient(
                transport=transport,
                event_hooks={"response": [bound]},
                limits=httpx2.Limits(max_connections=MAX_CONNECTIONS),
                follow_redirects=False,
            ),
        )

    async def complete(self, prompt: Sequence[NewMessage], settings: ModelSettings) -> Completion:
        with self._failures():
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.chat.completions.with_raw_response.create(
                    **self._body(prompt, settings)
                )
            return Answer.model_validate_json(response.content).to_domain()

    async def stream(
        self, prompt: Sequence[NewMessage], settings: ModelSettings
    ) -> AsyncGenerator[Delta | Completion, None]:
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        body = self._body(prompt, settings)
        with self._failures():
            async with asyncio.timeout_at(deadline):
                chunks = await self._client.chat.completions.create(
                    **body, stream=True, stream_options={"include_usage": True}
                )
            answer = StreamedAnswer()
            async with chunks:
                while (chunk := await _next_within(deadline, chunks)) is not None:
                    for delta in answer.add(chunk):
                        yield delta
            yield answer.to_domain()

    async def aclose(self) -> None:
        await self._client.close()

    def _body(self, prompt: Sequence[NewMessage], settings: ModelSettings) -> dict[str, Any]:
        given = settings.model_dump(exclude_none=True)
        messages = [
            {"content": message.content}
            | message.model_dump(mode="json", include=SHOWN_FIELDS, exclude_none=True)
            for message in prompt
        ]
        return {"model": self.name, **given, "messages": messages}

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Say in our own words what went wrong; the provider's may tell of our account."""
        try:
            yield
        except (TimeoutError, openai.APITimeoutError) as error:
            _log(error)
            raise ModelTimeout(self._timeout_s) from None
        except openai.APIStatusError as error:
            _log(error)
            status = error.status_code
            failed = "failed" if status >= 500 else "refused the request"  # noqa: PLR2004
            raise ModelFailed(REFUSALS.get(status, failed)) from None
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            _log(error)
            raise ModelFailed("could not be reached, or broke off") from None
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, RecursionError) as error:
            # What is no answer at all makes the library fail in any of these ways.
            _log(error)
            raise ModelFailed("gave no answer that can be understood") from None


async def _next_within(deadline: float, chunks: Any) -> Chunk | None:
    try:
        async with asyncio.timeout_at(deadline):
            value = await anext(chunks)
    except StopAsyncIteration:
        return None
    if isinstance(value, BaseModel):
        value = value.model_dump(warnings=False)
    return Chunk.model_validate(value)


def _log(error: Exception) -> None:
    status = getattr(error, "status_code", None)
    # The text of an error may hold messages and keys; its class and status do not.
    logger.warning("model call failed: %s (status %s)", type(error).__name__, status)
