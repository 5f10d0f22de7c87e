"""One turn of a chat: window, model, then the inputs and the answer in one append."""

from collections.abc import AsyncIterator
from uuid import UUID

from service.domain.access import Caller
from service.domain.completion import ChatRequest, Completion, Delta, Suggestion
from service.domain.errors import ModelNotConfigured
from service.domain.ports import ChatModel
from service.domain.sessions import Sessions
from service.domain.window import Window

MAX_WINDOW_MESSAGES = 1000


class Chat:
    def __init__(self, sessions: Sessions, model: ChatModel | None) -> None:
        self._sessions = sessions
        self._model = model

    async def reply(self, caller: Caller, session_id: UUID, request: ChatRequest) -> Completion:
        """Return the model's answer, stored with the messages that asked for it.

        Raises:
            SessionNotFound, SessionForeign: there is no such session for this caller.
            InvalidInput, TooLarge: a message breaks a rule.
            ModelNotConfigured, ModelFailed, ModelTimeout: there is no answer.
            TokenBudgetExceeded: the conversation does not fit.
        """
        if self._model is None:
            raise ModelNotConfigured
        window = Window(limit=MAX_WINDOW_MESSAGES, newest=True)
        _, stored = await self._sessions.read(caller, session_id, window)
        completion = await self._model.complete([*stored, *request.messages], request.settings)
        messages = [*request.messages, completion.message]
        *_, answer = await self._sessions.append(caller, session_id, messages)
        return completion.model_copy(update={"message": answer})

    async def stream(
        self, caller: Caller, session_id: UUID, request: ChatRequest
    ) -> AsyncIterator[Delta | Completion]:
        """Yield what `reply` returns in pieces, and the stored Completion last.

        Raises what `reply` raises; in the middle only ModelFailed, ModelTimeout, and what
        storing the turn raises.
        """
        completion = await self.reply(caller, session_id, request)
        yield str(completion.message.content)
        yield completion

    async def suggestions(self, caller: Caller, session_id: UUID) -> list[Suggestion]:
        """Return what the model proposes to say next; nothing when there is no model."""
        await self._sessions.get(caller, session_id)
        return []
