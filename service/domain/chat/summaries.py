"""Summaries: what stands in for messages a session's token budget has no room for."""

from collections.abc import Sequence

from service.domain.chat.completion import ModelSettings
from service.domain.chat.fitting import newest_that_fit
from service.domain.chat.token_estimate import end_of, tokens_of, tokens_of_all
from service.domain.chat.turns import Turn
from service.domain.errors import ModelFailed
from service.domain.models import Message, NewMessage, Role, Session, text_of
from service.domain.sessions import Sessions

MAX_SUMMARY_TOKENS = 1000
MIN_SUMMARY_TOKENS = 8
# What one summary is made from: the budget, but enough to be worth a model's call.
MIN_TRANSCRIPT_TOKENS = 4000

TITLE = "Earlier: "
INSTRUCTIONS = (
    "Summarise this conversation for the assistant who goes on with it. Keep names, numbers, "
    "dates, decisions and open questions. Write plain sentences, nothing else."
)


class Summaries:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def stand_in(
        self, turn: Turn, stored: Sequence[Message], room: int
    ) -> tuple[list[NewMessage], list[Message]]:
        """Return the summary as a message, and the messages after it, both within the room.

        The session's summary is used as long as all that came after it fits in addition to it. Then
        one call to the model makes a new one of it and the older messages, so that half of
        the room is free again; it is kept with the session, the log stays as it is. Without
        room for a summary, none is made.

        Raises:
            ModelFailed, ModelTimeout: the model gave no summary.
        """
        asking = turn.request.messages
        least = tokens_of(_note("")) + MIN_SUMMARY_TOKENS
        share = min(max(room // 4, least), MAX_SUMMARY_TOKENS)
        if share > room // 2:
            return [], newest_that_fit(stored, asking, room)
        note, later = _noted(turn.session, share), _after(stored, turn.session.summary_end)
        kept = newest_that_fit(later, asking, room - tokens_of_all(note))
        if len(kept) < len(later):
            kept = newest_that_fit(later, asking, (room - share) // 2)
            older = _before(later, kept)
            note = _noted(await self._renewed(turn, older, share) if older else turn.session, share)
        return note, kept

    async def _renewed(self, turn: Turn, older: Sequence[Message], share: int) -> Session:
        text = await _summary(turn, older, share)
        renewed = {"summary": text, "summary_end": older[-1].seq}

        def change(head: Session) -> Session:
            # A summary of messages that were cleared meanwhile must not bring them back.
            outdated = head.start > turn.session.start or head.summary_end >= older[-1].seq
            return head if outdated else head.model_copy(update=renewed)

        if turn.request.remember:
            await self._sessions.update(turn.caller, turn.session.id, change)
        return turn.session.model_copy(update=renewed)


async def _summary(turn: Turn, older: Sequence[Message], share: int) -> str:
    limit = max(turn.session.token_budget or 0, MIN_TRANSCRIPT_TOKENS)
    prompt = [
        NewMessage(role=Role.SYSTEM, content=INSTRUCTIONS),
        NewMessage(role=Role.USER, content=end_of(_transcript(turn.session, older), limit)),
    ]
    settings = ModelSettings(model=turn.request.settings.model, max_tokens=share)
    completion = await turn.model.complete(prompt, settings)
    text = text_of(completion.message.content).strip()
    if not text:
        raise ModelFailed("responded without a summary")
    return text


def _transcript(session: Session, messages: Sequence[Message]) -> str:
    before = [f"{TITLE}{session.summary}"] if session.summary else []
    lines = (f"{message.role}: {_said(message)}" for message in messages)
    return "\n".join([*before, *lines])


def _said(message: Message) -> str:
    calls = [f"calls {call.get('function', call)}" for call in message.tool_calls or ()]
    return " ".join([text_of(message.content), *calls]).strip()


def _noted(session: Session, tokens: int) -> list[NewMessage]:
    """Return the session's summary as a message of at most so many tokens."""
    if not session.summary:
        return []
    return [_note(end_of(session.summary, tokens - tokens_of(_note("")) - 1))]


def _note(text: str) -> NewMessage:
    return NewMessage(role=Role.SYSTEM, content=TITLE + text)


def _after(messages: Sequence[Message], seq: int) -> list[Message]:
    return [m for m in messages if m.seq > seq or m.role.instructs]


def _before(messages: Sequence[Message], kept: Sequence[Message]) -> list[Message]:
    """Return the messages older than those kept; system messages are always kept."""
    ends = [m.seq for m in kept if not m.role.instructs]
    first = min(ends, default=None)
    return [m for m in messages if not m.role.instructs and (first is None or m.seq < first)]
