"""What goes to a chat model and what comes back, whoever's model it is."""

from typing import Any

from service.domain.models import Frozen, JsonObject, NewMessage


class ModelSettings(Frozen):
    """How the model shall answer; what is None is left to it."""

    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    response_format: JsonObject | None = None
    logit_bias: dict[str, float] | None = None
    tools: list[JsonObject] | None = None
    tool_choice: Any = None


class Usage(Frozen):
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class Completion(Frozen):
    """One answer: an assistant's message with content, tool calls, or both."""

    message: NewMessage
    finish_reason: str
    usage: Usage = Usage()


class ChatRequest(Frozen):
    """One turn of a chat.

    `recall` gives the model the stored window; `remember` stores the messages and the
    answer, in this order and in one append, once the model has answered.
    """

    messages: list[NewMessage]
    recall: bool = True
    remember: bool = True
    settings: ModelSettings = ModelSettings()


class Suggestion(Frozen):
    """What the model proposes that the user or the agent says next."""

    target: str
    content: str
