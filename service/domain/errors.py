"""What can go wrong. Each kind has a stable code; the api says which status it has.

The text of an error says what is wrong and what would be right. It never holds the
contents of any message.
"""

from typing import ClassVar
from uuid import UUID


class DomainError(Exception):
    """What every error says to programs, in addition to its text.

    `retry_after_s` is when the same request can succeed, None where time alone does not help.
    `may_have_changed` is whether a change may have been made although this was raised.
    """

    code: ClassVar[str]
    retry_after_s: int | None = None
    may_have_changed: ClassVar[bool] = False


class InvalidInput(DomainError):
    """A value breaks a rule; storing nothing was the answer."""

    code = "invalid_input"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def within(self, place: str) -> "InvalidInput":
        """Return the same of a value that is part of another."""
        return InvalidInput(f"{place}.{self.field}", self.problem)


class TooLarge(DomainError):
    code = "too_large"

    def __init__(self, what: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{what} is {size_bytes} bytes long, the limit is {limit_bytes}.")
        self.what = what
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes

    def within(self, place: str) -> "TooLarge":
        """Return the same of a value that is part of another."""
        return TooLarge(f"{place}.{self.what}", self.size_bytes, self.limit_bytes)


class Unauthenticated(DomainError):
    """No token, or one that is not valid. `reason` is a stable word, never the details."""

    code = "unauthenticated"

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(advice)
        self.reason = reason


class Forbidden(DomainError):
    code = "forbidden"


class SessionNotFound(DomainError):
    code = "session_not_found"

    def __init__(self, key: str = "") -> None:
        super().__init__("Session not found.")
        self.key = key


class SessionForeign(Forbidden):
    """The session exists but is not the caller's. Only the native dialect says so (0005)."""

    code = "session_foreign"

    def __init__(self) -> None:
        super().__init__("This session belongs to another user.")


class UserNotFound(DomainError):
    """There is no profile of this user for the caller."""

    code = "user_not_found"

    def __init__(self) -> None:
        super().__init__("User not found.")


class SessionKeyTaken(DomainError):
    code = "session_key_taken"

    def __init__(self, key: str) -> None:
        super().__init__(f"You already have a session with the key '{key}'. Choose another key.")
        self.key = key


class SessionIdTaken(DomainError):
    code = "session_id_taken"

    def __init__(self, session_id: UUID) -> None:
        super().__init__(f"A session {session_id} already exists.")


class IdempotencyKeyReused(DomainError):
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This idempotency key was already used in this session with other content. "
            "Send the same content again, or choose a new key."
        )


class LogEndsElsewhere(DomainError):
    """An append was made for a log that ends at a number; it ends at `end`. Nothing is stored."""

    code = "log_ends_elsewhere"

    def __init__(self, end: int) -> None:
        super().__init__(f"The log ends at {end}, not at if_end. Read it, then append again.")
        self.end = end


class StoreUnavailable(DomainError):
    """The store gave no answer in time and nothing was changed: safe to try again."""

    code = "store_unavailable"
    retry_after_s = 2

    def __init__(self, problem: str = "The database is unavailable; nothing was changed.") -> None:
        super().__init__(f"{problem} Try again in {self.retry_after_s} seconds.")


class StoreBusy(StoreUnavailable):
    """More requests wait than the service takes; nothing was changed."""

    code = "store_busy"
    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__("The service is overloaded; nothing was changed.")


class OutcomeUnknown(StoreUnavailable):
    """The store stopped answering in the middle of a change: it may or may not have happened."""

    code = "outcome_unknown"
    may_have_changed = True

    def __init__(self) -> None:
        super().__init__(
            "The database stopped answering; the change may or may not have been made. "
            "An append repeated with the same Idempotency-Key is made at most once. Before "
            "repeating any other request, check whether the change was applied."
        )


class ServiceStopping(DomainError):
    """The process stops before the response is complete; another process can give it."""

    code = "service_stopping"
    retry_after_s = 1
    may_have_changed = True

    def __init__(self) -> None:
        super().__init__(
            "This process of the service is stopping and did not finish in time. Send the request "
            "again: with the same Idempotency-Key it continues, and nothing is stored twice.",
        )


class TokenBudgetExceeded(DomainError):
    """The conversation does not fit into the session's token budget, nor may it be cut."""

    code = "token_budget_exceeded"

    def __init__(self, tokens: int, budget: int) -> None:
        super().__init__(
            f"What must be sent to the model has about {tokens} tokens, the session's "
            f"token_budget allows {budget}. Send less, raise token_budget, or set "
            "context_overflow to 'truncate' or 'adaptive'."
        )
        self.tokens = tokens
        self.budget = budget


class ModelNotConfigured(DomainError):
    code = "model_not_configured"

    def __init__(self) -> None:
        super().__init__(
            "No chat model is configured. Set SESSIONS_LLM_BASE_URL and SESSIONS_LLM_MODEL, "
            "and SESSIONS_LLM_API_KEY if the model wants one."
        )


class ModelFailed(DomainError):
    """The model gave no response that can be used; nothing was stored.

    `may_pass` says whether the same request can succeed later. What the model's provider said
    is part of the text only where it is about the request: the rest may be about the operator's
    account.
    """

    code = "model_failed"

    def __init__(self, problem: str = "could not be reached", *, may_pass: bool = False) -> None:
        advice = " Try again." if may_pass else ""
        super().__init__(f"The chat model {problem.rstrip('.')}; nothing was stored.{advice}")


class ModelTimeout(ModelFailed):
    code = "model_timeout"

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"gave no complete response within {timeout_s:g} seconds", may_pass=True)
