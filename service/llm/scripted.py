"""A scripted model: a small server that speaks `/chat/completions`, for tests and the demo.

It responds with what its script says, step by step; on demand late, with an error, with junk,
or cut off in the middle. When the script has ended, it says that it is a demo.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

MAX_ECHO_CHARS = 200
MAX_REQUESTS = 100


@dataclass(frozen=True)
class Step:
    """One response. `delay_s` is the wait before each piece; after `cut_after` pieces it ends.

    A cut response breaks the connection; with `ends_cleanly` the body just ends too early.
    `junk` is sent instead of a response, `says` is the text of an error.
    """

    text: str | None = None
    reasoning: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    finish_reason: str | None = None
    usage: tuple[int, int] | None = (11, 7)
    delay_s: float = 0
    status: int = 200
    junk: bytes | None = None
    cut_after: int | None = None
    ends_cleanly: bool = False
    says: str = "the provider's own words"

    @property
    def ending(self) -> str:
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")


@dataclass
class Script:
    """What the model sends next, and the requests it got; `hang_ups` counts callers who left."""

    steps: deque[Step] = field(default_factory=deque)
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_REQUESTS))
    last_authorization: str = ""
    hang_ups: int = 0

    def next_step(self) -> Step:
        return self.steps.popleft() if self.steps else Step(text=demo_answer(self.requests[-1]))


class Cut(Exception):
    """Makes the server break the connection."""


def demo_answer(request: dict[str, Any]) -> str:
    said = [m["content"] for m in request["messages"] if m["role"] == "user"]
    echo = f" You said: {str(said[-1])[:MAX_ECHO_CHARS]}" if said else ""
    return (
        "This is a demo without a model. Set SESSIONS_LLM_BASE_URL and SESSIONS_LLM_MODEL "
        f"for real answers.{echo}"
    )


def scripted_model(script: Script) -> Starlette:
    """Return the server as an ASGI application."""

    async def complete(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        script.requests.append(asked)
        script.last_authorization = request.headers.get("authorization", "")
        step = script.next_step()
        pieces = _pieces(step, streams=asked.get("stream", False))
        return StreamingResponse(
            _told(script, step, pieces),
            step.status,
            {"content-type": "text/event-stream" if asked.get("stream") else "application/json"},
        )

    return Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])


async def _told(script: Script, step: Step, pieces: list[bytes]) -> AsyncIterator[bytes]:
    try:
        for number, piece in enumerate(pieces):
            await asyncio.sleep(step.delay_s)
            if number == step.cut_after:
                if step.ends_cleanly:
                    return
                raise Cut
            yield piece
    except asyncio.CancelledError:
        script.hang_ups += 1
        raise


def _pieces(step: Step, *, streams: bool) -> list[bytes]:
    if step.junk is not None:
        return [step.junk]
    if step.status != 200:  # noqa: PLR2004  Any other status is an error.
        return [orjson.dumps({"error": {"message": step.says, "type": "x"}})]
    return _streamed(step) if streams else [orjson.dumps(_whole(step))]


def _whole(step: Step) -> dict[str, Any]:
    message = {"role": "assistant", "content": step.text, "tool_calls": step.tool_calls}
    if step.reasoning is not None:
        message["reasoning_content"] = step.reasoning
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": step.ending}],
        "usage": _usage(step),
    }


def _streamed(step: Step) -> list[bytes]:
    """Return the events of a stream: one for each word, then the calls with split arguments."""
    deltas: list[dict[str, Any]] = [{"reasoning_content": t} for t in _words(step.reasoning)]
    deltas += [{"role": "assistant", "content": t} for t in _words(step.text)]
    for index, call in enumerate(step.tool_calls or []):
        deltas += _call_deltas(index, call)
    chunks = [_chunk({"index": 0, "delta": delta, "finish_reason": None}) for delta in deltas]
    chunks.append(_chunk({"index": 0, "delta": {}, "finish_reason": step.ending}))
    if step.usage:
        chunks.append(_chunk(None) | {"usage": _usage(step)})
    return [*(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n"]


def _words(text: str | None) -> list[str]:
    words = (text or "").split(" ")
    return [word if i == 0 else f" {word}" for i, word in enumerate(words) if word or i]


def _call_deltas(index: int, call: dict[str, Any]) -> list[dict[str, Any]]:
    function = call["function"]
    arguments = function["arguments"]
    half = len(arguments) // 2
    first = {"name": function["name"], "arguments": arguments[:half]}
    return [
        {"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": first}]},
        {"tool_calls": [{"index": index, "function": {"arguments": arguments[half:]}}]},
    ]


def _chunk(choice: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "scripted",
        "choices": [choice] if choice else [],
    }


def _usage(step: Step) -> dict[str, int] | None:
    if step.usage is None:
        return None
    prompt_tokens, completion_tokens = step.usage
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
