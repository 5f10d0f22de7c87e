"""Chat and suggestions in the Julep dialect.

A streamed response is `data: {chunk}` lines and `data: [DONE]`. A chunk is a response with the next
piece of the text; the last one has the finish reason and the usage, and the tool calls if there
are any. A stream that fails ends in an `error` event.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import orjson
from pydantic import ConfigDict, Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from service.api.dialects.julep.messages import MessageBody, MessageView, message_view
from service.api.dialects.julep.shapes import PageQuery, session_id
from service.api.dialects.julep.tools import ToolBody, ToolName, to_tools
from service.api.dialects.julep.views import Failure, encoded, reply
from service.api.kit.disconnects import while_connected
from service.api.kit.endpoint import Endpoints, Event
from service.api.kit.parts import caller, chat, sessions
from service.api.kit.reading import Body, WholeNumber, read_body, read_query
from service.api.kit.sse import event, event_stream
from service.domain.chat.completion import ChatRequest, Completion, Delta, ModelSettings, Suggestion
from service.domain.chat.tool_results import with_call_ids
from service.domain.errors import DomainError
from service.domain.models import JsonObject

MAX_TOKENS = 16_384
MAX_STOPS = 4
MAX_BIASES = 1000
SCHEMA_NAME = "answer"
TOOL_CHOICES = {"auto", "none", "required"}
DONE = b"data: [DONE]\n\n"
MISSING = frozenset({404})
CHAT = frozenset({400, 502})

julep_chat = Endpoints()

StopText = Annotated[str, Field(min_length=1)]
Penalty = Annotated[float, Field(strict=True, ge=-2, le=2)]
Bias = Annotated[float, Field(strict=True, ge=-100, le=100)]
Seed = Annotated[WholeNumber, Field(ge=-(2**63), lt=2**63)]


# Shapes


class NamedFunction(Body):
    name: ToolName


class NamedTool(Body):
    type: Literal["function"]
    function: NamedFunction


class ResponseFormat(Body):
    type: Literal["text", "json_object"] | None = None
    json_schema: JsonObject | None = Field(None, alias="schema")

    def to_domain(self) -> JsonObject | None:
        if self.type == "json_object" and self.json_schema:
            schema = {"name": SCHEMA_NAME, "schema": self.json_schema}
            return {"type": "json_schema", "json_schema": schema}
        return {"type": self.type} if self.type else None


class ChatBody(Body):
    """A turn. Settings that only other models know (`min_p`, `preset` …) are ignored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"messages": [{"role": "user", "content": "Hello"}], "temperature": 0.7}]
        }
    )

    messages: Annotated[list[MessageBody], Field(min_length=1)]
    tools: list[ToolBody] | None = None
    tool_choice: ToolName | NamedTool | None = None
    recall: StrictBool | None = None
    remember: StrictBool | None = None
    record: StrictBool | None = None
    stream: StrictBool | None = None
    temperature: Annotated[float, Field(strict=True, ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(strict=True, ge=0, le=1)] | None = None
    max_tokens: Annotated[WholeNumber, Field(ge=1, le=MAX_TOKENS)] | None = None
    stop: StopText | Annotated[list[StopText], Field(min_length=1, max_length=MAX_STOPS)] | None = (
        None
    )
    seed: Seed | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    response_format: ResponseFormat | None = None
    logit_bias: Annotated[dict[str, Bias | None], Field(max_length=MAX_BIASES)] | None = None

    def to_domain(self) -> ChatRequest:
        return ChatRequest(
            messages=[message.to_domain() for message in self.messages],
            recall=self.recall is not False,
            remember=self.remember is not False and self.record is not False,
            settings=self._settings(),
        )

    def _settings(self) -> ModelSettings:
        biases = (self.logit_bias or {}).items()
        return ModelSettings(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            stop=self.stop,
            seed=self.seed,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            response_format=self.response_format and self.response_format.to_domain(),
            logit_bias={token: bias for token, bias in biases if bias is not None} or None,
            tools=to_tools(self.tools),
            tool_choice=self._tool_choice(),
        )

    def _tool_choice(self) -> str | JsonObject | None:
        choice = self.tool_choice
        if isinstance(choice, str) and choice not in TOOL_CHOICES:
            return {"type": "function", "function": {"name": choice}}
        return choice.model_dump() if isinstance(choice, NamedTool) else choice


# Views


class Usage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class DocIds(TypedDict):
    agent_doc_ids: list[Any]
    user_doc_ids: list[Any]


class Reply(TypedDict):
    id: UUID
    finish_reason: str
    response: list[list[MessageView]]
    usage: Usage
    jobs: list[Any]
    doc_ids: DocIds


class Piece(TypedDict):
    role: Literal["assistant"]
    content: str


class Chunk(TypedDict):
    id: UUID
    finish_reason: None
    response: list[list[Piece]]


class SuggestionView(TypedDict):
    session_id: UUID
    message_id: UUID
    target: Literal["user", "agent"]
    content: str
    created_at: datetime


class SuggestionList(TypedDict):
    items: list[SuggestionView]


def completion_view(response_id: UUID, completion: Completion) -> Reply:
    usage = completion.usage
    return {
        "id": response_id,
        "finish_reason": completion.finish_reason,
        "response": [[message_view(completion.message)]],
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
        },
        "jobs": [],
        "doc_ids": {"agent_doc_ids": [], "user_doc_ids": []},
    }


def chunk_view(response_id: UUID, piece: str | Completion) -> bytes:
    if isinstance(piece, Completion):
        last = encoded(last_chunk_view(response_id, piece))
        return event(orjson.Fragment(last)) + DONE
    message = Piece(role="assistant", content=piece)
    return event(Chunk(id=response_id, finish_reason=None, response=[[message]]))


def last_chunk_view(response_id: UUID, completion: Completion) -> Reply:
    """Return the response without the text: the chunks before it have shown it."""
    view = completion_view(response_id, completion)
    if not completion.message.tool_calls:
        [[message]] = view["response"]
        message["content"] = ""
    return view


def failure_view(error: DomainError) -> bytes:
    return event({"detail": str(error)}, "error")


def suggestion_view(session: UUID, suggestion: Suggestion) -> dict[str, Any]:
    return {"session_id": session, **suggestion.model_dump()}


# Endpoints


@julep_chat(
    "POST",
    "/{session_id:uuid}/chat",
    "Let the model respond; streamed if `stream` is true.",
    returns=Reply,
    body=ChatBody,
    refuses=MISSING | CHAT,
    events=(
        Event("message", Chunk),
        Event("message", Reply),
        Event("message", "[DONE]", is_json=False),
        Event("error", Failure),
    ),
    takes_long=True,
)
async def reply_to_messages(request: Request) -> Response:
    body = await read_body(request, ChatBody)
    turn = await _turn(request, body.to_domain())
    asked = caller(request), session_id(request), turn
    response_id = uuid4()
    if body.stream:
        pieces = _shown(chat(request).stream(*asked))
        return await event_stream(request, pieces, partial(chunk_view, response_id), failure_view)
    completion = await while_connected(request, chat(request).reply(*asked))
    return reply(completion_view(response_id, completion))


@julep_chat(
    "GET",
    "/{session_id:uuid}/suggestions",
    "Suggest what could be said next.",
    returns=SuggestionList,
    query=PageQuery,
    refuses=MISSING | CHAT,
    takes_long=True,
)
async def get_suggestions(request: Request) -> Response:
    query = read_query(request, PageQuery)
    suggesting = chat(request).suggestions(caller(request), session_id(request))
    found = (await while_connected(request, suggesting))[query.offset :][: query.limit]
    return reply({"items": [suggestion_view(session_id(request), item) for item in found]})


async def _turn(request: Request, turn: ChatRequest) -> ChatRequest:
    where = sessions(request), caller(request), session_id(request)
    return turn.model_copy(update={"messages": await with_call_ids(*where, turn.messages)})


async def _shown(
    pieces: AsyncGenerator[Delta | Completion, None],
) -> AsyncGenerator[str | Completion, None]:
    """Leave out the pieces of tool calls: a function_call is shown once it is complete."""
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, str | Completion):
                yield piece
