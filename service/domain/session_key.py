"""What a session is called among those of its owner: by its own key, else by its id."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from service.domain.models import Frozen


class SessionKey(NamedTuple):
    """`text` is the session's own key, or, where it has none, `id:` and its id."""

    text: str
    session_id: UUID


class KeySelection(Frozen):
    """Which of a user's sessions are meant: those that match all that is given."""

    user_id: str
    prefix: str = ""
    created_before: datetime | None = None


def key_text(session_id: UUID, key: str | None) -> str:
    return f"id:{session_id}" if key is None else key


_LEAST = key_text(UUID(int=0), None)
_GREATEST = key_text(UUID(int=2**128 - 1), None)


def id_in(text: str) -> UUID | None:
    """Return the id of the session that is called so because it has no key of its own."""
    try:
        session_id = UUID(text.removeprefix("id:"))
    except ValueError:
        return None
    # Only what is shown is a key: not the same id in capitals, or without its hyphens.
    return session_id if text == key_text(session_id, None) else None


def ids_called(prefix: str) -> tuple[UUID, UUID] | None:
    """Return the least and the greatest id whose key begins so, when there can be any."""
    least = id_in(prefix + _LEAST[len(prefix) :])
    greatest = id_in(prefix + _GREATEST[len(prefix) :])
    return None if least is None or greatest is None else (least, greatest)
