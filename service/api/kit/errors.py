"""The one table that gives each kind of error its status. The dialects make the bodies."""

from pydantic_core import ErrorDetails

from service.auth.errors import KeysUnavailable, Reason
from service.domain import errors
from service.domain.errors import DomainError

MAX_SHOWN_CHARS = 40
SERVER_ERROR = 500
# The header of every 5xx; says whether the change was certainly not made, or may have been.
OUTCOME = "Outcome"
UNCHANGED = "unchanged"
UNKNOWN = "unknown"
NO_TOKEN = {Reason.MISSING_TOKEN, Reason.WRONG_SCHEME}


class MalformedBody(DomainError):
    code = "malformed_body"


class InvalidShape(errors.InvalidInput):
    """The body or a parameter does not have its shape: everything wrong, as pydantic reports it."""

    code = "invalid_shape"

    def __init__(self, place: str, details: list[ErrorDetails]) -> None:
        field = ".".join(map(str, details[0]["loc"]))
        super().__init__(field, _problem(details[0]))
        self.place = place
        self.details = details


class MalformedFilter(DomainError):
    code = "malformed_filter"

    def __init__(self) -> None:
        super().__init__("metadata_filter is not a valid JSON")


class UnsupportedMediaType(DomainError):
    code = "unsupported_media_type"


class CallerGone(DomainError):
    """The caller hung up before the response. The status is only for our own records."""

    code = "caller_gone"


class RateLimited(DomainError):
    code = "rate_limited"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too many requests. Try again in {retry_after_s} seconds.")
        self.retry_after_s = retry_after_s


STATUS: dict[type[DomainError], int] = {
    MalformedBody: 400,
    InvalidShape: 400,
    MalformedFilter: 400,
    errors.InvalidInput: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.SessionForeign: 403,
    errors.SessionNotFound: 404,
    errors.UserNotFound: 404,
    errors.SessionKeyTaken: 409,
    errors.SessionIdTaken: 409,
    errors.IdempotencyKeyReused: 409,
    errors.LogEndsElsewhere: 409,
    errors.TokenBudgetExceeded: 400,
    errors.TooLarge: 413,
    UnsupportedMediaType: 415,
    RateLimited: 429,
    CallerGone: 499,
    errors.StoreUnavailable: 503,
    errors.StoreBusy: 503,
    errors.OutcomeUnknown: 503,
    errors.ServiceStopping: 503,
    errors.ModelNotConfigured: 503,
    errors.ModelFailed: 502,
    errors.ModelTimeout: 502,
    KeysUnavailable: 503,
}


def status_of(error: DomainError) -> int:
    return STATUS[type(error)]


def headers_of(error: DomainError) -> dict[str, str]:
    """Return the headers that programs need in addition to the status."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if status_of(error) >= SERVER_ERROR:
        headers[OUTCOME] = UNKNOWN if error.may_have_changed else UNCHANGED
    match error:
        case errors.Unauthenticated():
            headers["WWW-Authenticate"] = _challenge(error)
        case RateLimited():
            headers["X-RateLimit-Remaining"] = "0"
        case errors.TooLarge():
            # The rest of the body was not read, and must not be taken for the next request.
            headers["Connection"] = "close"
    return headers


def _challenge(error: errors.Unauthenticated) -> str:
    """Return the challenge of RFC 6750, section 3.1: without a token, it names no error."""
    if error.reason in NO_TOKEN:
        return "Bearer"
    return f'Bearer error="invalid_token", error_description="{error.reason}"'


def _problem(details: ErrorDetails) -> str:
    if details["type"] == "missing":
        return "is required."
    shown = repr(details["input"])
    if len(shown) > MAX_SHOWN_CHARS:
        shown = f"{shown[:MAX_SHOWN_CHARS]}…"
    return f"{details['msg'].removeprefix('Value error, ')}, not {shown}."
