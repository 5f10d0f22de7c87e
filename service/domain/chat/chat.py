"""One turn of a chat: window, model, then the inputs and the answer in one append."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from service.domain.access import Caller
from service.domain.chat.completion import ChatRequest, Completion, Delta, Suggestion, deltas_of
from service.domain.chat.prompt import Prompts
from service.domain.chat.suggestions import Suggestions
from service.domain.chat.turns import ANSWER, checked, client_key, client_keys, stored_answer
from service.domain.errors import IdempotencyKeyReused, ModelNotConfigured
from service.domain.models import Message, Usage
from service.domain.ports import ChatModel, Templates
from service.domain.sessions import Sessions


class Chat:
    """Lets a model answer in sessions.

    A turn that is cancelled, or whose stream is closed, before the model has answered ends
    the model's work and stores nothing; after that it is stored, even if no client listens.
    """

    def __init__(
        self,
        sessions: Sessions,
        model: ChatModel | None,
        templates: Templates,
        *,
        searches: bool = False,
    ) -> None:
        self._sessions = sessions
        self._model = model
        self._prompts = Prompts(sessions, templates, searches=searches)
        self._suggestions = Suggestions(sessions, model)
        self._storing: set[asyncio.Task[list[Message]]] = set()

    async def reply(self, caller: Caller, session_id: UUID, request: ChatRequest) -> Completion:
        """Return the model's response, stored with the messages it responds to.

        Raises:
            SessionNotFound, SessionForeign: there is no such session the caller may change.
            InvalidInput, TooLarge: a message, or the session's situation, breaks a rule.
            TokenBudgetExceeded: the conversation does not fit, and may not be cut to.
            ModelNotConfigured, ModelFailed, ModelTimeout: the model gave no response.
            IdempotencyKeyReused: the key was used for a turn with other messages.
        """
        model, request = self.require_model(), checked(request)
        repeated = await self._repeated(caller, session_id, request)
        if repeated is not None:
            return repeated
        prompt = await self._prompts.build(model, caller, session_id, request)
        completion = await model.complete(prompt.messages, prompt.settings)
        return await self._remember(caller, session_id, request, completion)

    async def stream(
        self, caller: Caller, session_id: UUID, request: ChatRequest
    ) -> AsyncGenerator[Delta | Completion, None]:
        """Yield what `reply` returns in pieces as they come, and the stored Completion last.

        Raises what `reply` raises; once there was a piece, only what the model and the
        store raise.
        """
        model, request = self.require_model(), checked(request)
        repeated = await self._repeated(caller, session_id, request)
        if repeated is not None:
            for delta in deltas_of(repeated.message):
                yield delta
            yield repeated
            return
        prompt = await self._prompts.build(model, caller, session_id, request)
        async with aclosing(model.stream(prompt.messages, prompt.settings)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Completion):
                    yield await self._remember(caller, session_id, request, piece)
                else:
                    yield piece

    async def suggestions(self, caller: Caller, session_id: UUID) -> list[Suggestion]:
        """Return what the model proposes to say next; nothing when there is no model.

        Raises:
            SessionNotFound, SessionForeign: there is no such session for this caller.
            ModelFailed, ModelTimeout: the model gave no response.
        """
        return await self._suggestions.of(caller, session_id)

    async def close(self) -> None:
        """Wait until what the model has answered is stored."""
        if self._storing:
            await asyncio.wait(self._storing)

    def require_model(self) -> ChatModel:
        """Return the model, for callers that want to know before they begin.

        Raises:
            ModelNotConfigured: no model is configured.
        """
        if self._model is None:
            raise ModelNotConfigured
        return self._model

    async def _repeated(
        self, caller: Caller, session_id: UUID, request: ChatRequest
    ) -> Completion | None:
        keys = client_keys(request)
        if not keys or not request.remember:
            return None
        stored = await self._sessions.find_by_client_keys(caller, session_id, keys)
        completion = stored_answer(request, stored)
        if completion is not None:
            # Perhaps no caller has heard that they are stored: now they certainly are.
            await self._sessions.append(caller, session_id, stored)
        return completion

    async def _remember(
        self, caller: Caller, session_id: UUID, request: ChatRequest, completion: Completion
    ) -> Completion:
        if not request.remember:
            return completion
        noted = {
            "client_key": client_key(request, ANSWER),
            "usage": None if completion.usage == Usage() else completion.usage,
        }
        answer = completion.message.model_copy(update=noted)
        messages = [*request.messages, answer]
        storing = asyncio.create_task(self._sessions.append(caller, session_id, messages))
        self._storing.add(storing)
        storing.add_done_callback(self._storing.discard)
        try:
            # Half an append is worse than one without a waiting caller.
            *_, stored = await asyncio.shield(storing)
        except IdempotencyKeyReused:
            # Another request sent the same turn at the same time, and was first.
            first = await self._repeated(caller, session_id, request)
            if first is None:
                raise
            return first
        return completion.model_copy(update={"message": stored})
