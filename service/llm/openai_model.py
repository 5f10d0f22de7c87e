"""A chat model with an OpenAI-compatible `/chat/completions`: the only user of `openai`."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, contextmanager
from typing import Any

import httpx2
import openai
from pydantic import SecretStr

from service.domain.chat.completion import Completion, Delta, ModelSettings
from service.domain.errors import ModelFailed, ModelTimeout
from service.domain.models import NewMessage
from service.llm.bounded import bound
from service.llm.completions import Chunk, Response, StreamedCompletion
from service.llm.event_stream import chunks_in
from service.llm.prompt_view import prompt_view
from service.llm.refusals import shown
from service.llm.text import fit_json

MAX_CONNECTIONS = 200
KEY_REFUSED = {401, 403}
TOO_MANY_REQUESTS = 429
# A request that timed out or conflicted with another one.
MAY_PASS = {408, 409}
SERVER_ERROR = 500

logger = logging.getLogger(__name__)


class OpenAIModel:
    """Keeps what the ChatModel port promises.

    One deadline, `timeout_s`, holds for everything a call does: waiting for a connection,
    retries with their pauses, and reading the response. Only calls without a result are retried:
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
        max_tokens_field: str = "max_tokens",
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = model
        self._timeout_s = timeout_s
        self._max_tokens_field = max_tokens_field
        self._api_key = api_key.get_secret_value() if api_key else None
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            # Without a key, the library would send one from the environment to this URL.
            api_key=self._api_key or "none",
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
        body = self._body(prompt, settings)
        with self._failures():
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.chat.completions.with_raw_response.create(**body)
            # Unlike faster parsers, this one accepts half of a character.
            value = fit_json(json.loads(response.content))
            return Response.model_validate(value).to_domain()

    async def stream(
        self, prompt: Sequence[NewMessage], settings: ModelSettings
    ) -> AsyncGenerator[Delta | Completion, None]:
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        body = self._body(prompt, settings)
        completion = StreamedCompletion()
        with self._failures():
            opening = self._client.chat.completions.with_streaming_response.create(
                **body, stream=True, stream_options={"include_usage": True}
            )
            async with AsyncExitStack() as stack:
                async with asyncio.timeout_at(deadline):
                    response = await stack.enter_async_context(opening)
                chunks = await stack.enter_async_context(aclosing(chunks_in(response.iter_bytes())))
                while (chunk := await _next_within(deadline, chunks)) is not None:
                    self._require_no_error(chunk)
                    for delta in completion.add(Chunk.model_validate(chunk)):
                        yield delta
            for delta in completion.end():
                yield delta
            yield completion.to_domain()

    async def aclose(self) -> None:
        await self._client.close()

    def _body(self, prompt: Sequence[NewMessage], settings: ModelSettings) -> dict[str, Any]:
        given = settings.model_dump(exclude_none=True)
        if "max_tokens" in given:
            given[self._max_tokens_field] = given.pop("max_tokens")
        return {"model": self.name, **given, "messages": prompt_view(prompt)}

    def _require_no_error(self, chunk: dict[str, Any]) -> None:
        """Raise ModelFailed if a stream says that it failed, in the middle of a 200."""
        error = chunk.get("error")
        if error:
            message = error.get("message") if isinstance(error, dict) else error
            raise ModelFailed(self._refused("failed", message), may_pass=True)

    def _refused(self, problem: str, said: object) -> str:
        words = shown(said, self._api_key)
        return f"{problem}: {words}" if words else problem

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Say in our own words what went wrong, with what the server says about a request.

        What it says about keys, accounts and its own failures is only for the operator.
        """
        try:
            yield
        except (TimeoutError, openai.APITimeoutError) as error:
            _log(error)
            raise ModelTimeout(self._timeout_s) from None
        except openai.APIStatusError as error:
            _log(error)
            raise self._status_failure(error) from None
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            _log(error)
            raise ModelFailed("could not be reached, or broke off", may_pass=True) from None
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, RecursionError) as error:
            # Bytes that are not a valid response make the library fail in any of these ways.
            _log(error)
            raise ModelFailed("gave no response that can be understood") from None

    def _status_failure(self, error: openai.APIStatusError) -> ModelFailed:
        status = error.status_code
        if status in KEY_REFUSED:
            return ModelFailed("refused the service's key")
        if status == TOO_MANY_REQUESTS:
            return ModelFailed("takes no more requests for now", may_pass=True)
        if status in MAY_PASS or status >= SERVER_ERROR:
            return ModelFailed("failed", may_pass=True)
        return ModelFailed(self._refused("refused the request", _message_in(error.body)))


async def _next_within(
    deadline: float, chunks: AsyncGenerator[dict[str, Any], None]
) -> dict[str, Any] | None:
    async with asyncio.timeout_at(deadline):
        return await anext(chunks, None)


def _message_in(body: object) -> object:
    """Return the text of an error: servers put it into `message`, some into `error` or `detail`."""
    if isinstance(body, dict):
        found = (body.get(name) for name in ("message", "error", "detail"))
        return next((_message_in(value) for value in found if value), None)
    return body


def _log(error: Exception) -> None:
    status = getattr(error, "status_code", None)
    # The text of an error may hold messages and keys; its class and status do not.
    logger.warning("model call failed: %s (status %s)", type(error).__name__, status)
