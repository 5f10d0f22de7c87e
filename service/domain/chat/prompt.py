"""What goes to the model: the situation, what it should remember, then the request."""

from collections.abc import Sequence
from uuid import UUID

from service.domain.access import Action, Caller
from service.domain.chat.completion import ChatRequest, ModelSettings
from service.domain.chat.fitting import answered, cut_to_fit, newest_that_fit, with_open_reasoning
from service.domain.chat.summaries import Summaries
from service.domain.chat.token_estimate import tokens_of, tokens_of_all, tokens_of_json
from service.domain.chat.tool_results import with_tool_calls
from service.domain.chat.turns import Turn
from service.domain.errors import TokenBudgetExceeded
from service.domain.models import (
    ContextOverflow,
    Frozen,
    Message,
    NewMessage,
    Role,
    Session,
    text_of,
)
from service.domain.ports import ChatModel, Templates
from service.domain.sessions import Sessions
from service.domain.window import Window

# How far back a window is read from the store; nothing older is looked at, except by search.
MAX_WINDOW_MESSAGES = 1000
# More than models take; it bounds what is sent where the session sets no budget.
TOKENS_WITHOUT_BUDGET = 1_000_000
# Messages found by search may take one part in so many of the window's room.
RECALLED_SHARE = 4


class Prompt(Frozen):
    messages: list[NewMessage]
    settings: ModelSettings


class Prompts:
    """Builds prompts. `searches` says whether earlier messages can be found by their words."""

    def __init__(self, sessions: Sessions, templates: Templates, *, searches: bool) -> None:
        self._sessions = sessions
        self._templates = templates
        self._summaries = Summaries(sessions)
        self._searches = searches

    async def build(
        self, model: ChatModel, caller: Caller, session_id: UUID, request: ChatRequest
    ) -> Prompt:
        """Return the prompt of a turn, with a new summary where the old one is outgrown.

        Raises:
            SessionNotFound, SessionForeign: there is no such session the caller may change.
            InvalidInput: the situation cannot be rendered.
            TokenBudgetExceeded: it does not fit, and may not be cut until it does.
            ModelFailed, ModelTimeout: there is no summary.
        """
        window = Window(limit=MAX_WINDOW_MESSAGES if request.recall else 0, newest=True)
        session, stored = await self._sessions.read(
            caller, session_id, window, action=Action.CHANGE
        )
        stored, messages = with_open_reasoning(with_tool_calls(stored), request.messages)
        request = request.model_copy(update={"messages": messages})
        settings = _with_tools(request.settings, session)
        room = (session.token_budget or TOKENS_WITHOUT_BUDGET) - tokens_of_json(settings.tools)
        situation = self._situation(session)
        free = room - tokens_of_all([*situation, *request.messages])
        turn = Turn(caller, session, request, model)
        remembered = await self._remembered(turn, stored, free) if request.recall else []
        messages = _cut([*situation, *remembered, *request.messages], room, session)
        return Prompt(messages=messages, settings=settings)

    def _situation(self, session: Session) -> list[NewMessage]:
        text = session.situation
        if text and session.render_templates:
            text = self._templates.render(text, _variables(session))
        return [NewMessage(role=Role.SYSTEM, content=text)] if text else []

    async def _remembered(
        self, turn: Turn, window: Sequence[Message], room: int
    ) -> list[NewMessage]:
        """Return summary, messages found by search, and the window, as far as there is room."""
        asking = turn.request.messages
        stored = answered(_without_this_turn(window, turn.request), asking)
        summary: list[NewMessage] = []
        kept = newest_that_fit(stored, asking, room)
        if len(kept) < len(stored) and turn.session.context_overflow is ContextOverflow.ADAPTIVE:
            summary, kept = await self._summaries.stand_in(turn, stored, room)
        found = await self._recalled(turn, kept, room // RECALLED_SHARE)
        if found:
            left = room - tokens_of_all([*summary, *found])
            kept = newest_that_fit(kept, asking, left)
        return [*summary, *found, *kept]

    async def _recalled(self, turn: Turn, window: Sequence[Message], room: int) -> list[Message]:
        """Return earlier messages with words of the request's last text, the best that fit."""
        session, words = turn.session, _last_text(turn.request.messages)
        before = min((m.seq for m in window if not m.role.instructs), default=session.end + 1)
        if not self._searches or before <= session.start or not words:
            return []
        found = await self._sessions.search(
            turn.caller, session.id, words, before_seq=before, limit=session.max_context_results
        )
        fitting: list[Message] = []
        for message in found:
            room -= tokens_of(message)
            if room < 0:
                break
            fitting.append(message)
        return sorted(fitting, key=lambda message: message.seq)


def _with_tools(settings: ModelSettings, session: Session) -> ModelSettings:
    tools = session.tools if settings.tools is None else settings.tools
    return settings.model_copy(update={"tools": tools or None})


def _without_this_turn(window: Sequence[Message], request: ChatRequest) -> list[Message]:
    """Leave out what an earlier attempt at this very turn has stored of it."""
    keys = {message.client_key for message in request.messages} - {None}
    return [message for message in window if message.client_key not in keys]


def _cut(messages: list[NewMessage], room: int, session: Session) -> list[NewMessage]:
    if tokens_of_all(messages) > room and session.context_overflow is not None:
        messages = cut_to_fit(messages, room)
    tokens = tokens_of_all(messages)
    if tokens > room:
        budget = session.token_budget or TOKENS_WITHOUT_BUDGET
        raise TokenBudgetExceeded(tokens + budget - room, budget)
    return messages


def _last_text(messages: Sequence[NewMessage]) -> str:
    texts = (text_of(message.content) for message in reversed(messages))
    return next((text for text in texts if text), "")


def _variables(session: Session) -> dict[str, object]:
    """Return what a situation may mention."""
    shown = {"id", "title", "key", "agent_id", "user_id", "created_at", "message_count"}
    return {
        "session": {name: str(getattr(session, name) or "") for name in shown},
        "user_id": session.user_id,
        "agent_id": session.agent_id,
        "metadata": session.metadata or {},
    }
