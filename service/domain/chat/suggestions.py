"""Suggestions: what the model proposes that the user or the agent says next."""

import re
from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from service.domain.access import Caller
from service.domain.chat.completion import Completion, ModelSettings, Suggestion
from service.domain.chat.fitting import answered, newest_that_fit, with_open_reasoning
from service.domain.models import Message, NewMessage, Role, Session, text_of
from service.domain.ports import ChatModel
from service.domain.sessions import Sessions
from service.domain.window import Window

MAX_SUGGESTIONS = 5
MAX_SUGGESTION_CHARS = 500
MAX_ANSWER_TOKENS = 500
WINDOW_MESSAGES = 20
MAX_WINDOW_TOKENS = 4000
MAX_REMEMBERED_SESSIONS = 1000

INSTRUCTIONS = (
    f"Propose what could be said next in this conversation, {MAX_SUGGESTIONS} proposals at most. "
    "Write each on a line of its own that begins with 'user:' where the user would say it, or "
    "with 'agent:' where the assistant would. Write nothing else."
)
_PROPOSAL = re.compile(r"^[\W\d]*(user|agent)\W*:\W*?(\w.*)$", re.IGNORECASE | re.MULTILINE)


class Suggestions:
    """Made on demand, and kept in this process until the head of the session moves."""

    def __init__(self, sessions: Sessions, model: ChatModel | None) -> None:
        self._sessions = sessions
        self._model = model
        self._kept: OrderedDict[UUID, tuple[tuple[int, int], list[Suggestion]]] = OrderedDict()

    async def of(self, caller: Caller, session_id: UUID) -> list[Suggestion]:
        """Return the suggestions; none without a model or without messages.

        Raises:
            SessionNotFound, SessionForeign: there is no such session for this caller.
            ModelFailed, ModelTimeout: the model gave no response.
        """
        window = Window(limit=WINDOW_MESSAGES, newest=True)
        session, messages = await self._sessions.read(caller, session_id, window)
        if self._model is None or not messages:
            return []
        place, suggestions = self._kept.get(session.id, (None, []))
        if place != _place(session):
            completion = await self._model.complete(
                _prompt(messages), ModelSettings(max_tokens=MAX_ANSWER_TOKENS)
            )
            suggestions = _suggestions_in(completion, messages[-1])
            self._keep(session, suggestions)
        return suggestions

    def _keep(self, session: Session, suggestions: list[Suggestion]) -> None:
        self._kept[session.id] = (_place(session), suggestions)
        self._kept.move_to_end(session.id)
        if len(self._kept) > MAX_REMEMBERED_SESSIONS:
            self._kept.popitem(last=False)


def _place(session: Session) -> tuple[int, int]:
    return session.start, session.end


def _prompt(messages: Sequence[Message]) -> list[NewMessage]:
    instructions = NewMessage(role=Role.SYSTEM, content=INSTRUCTIONS)
    said, _ = with_open_reasoning(answered(messages, []), [])
    window = newest_that_fit(said, [], MAX_WINDOW_TOKENS)
    return [*window, instructions]


def _suggestions_in(completion: Completion, last: Message) -> list[Suggestion]:
    proposals = _PROPOSAL.findall(text_of(completion.message.content))
    return [
        Suggestion(
            message_id=last.id, target=target.lower(), content=text.strip()[:MAX_SUGGESTION_CHARS]
        )
        for target, text in proposals[:MAX_SUGGESTIONS]
    ]
