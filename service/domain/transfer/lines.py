"""What lines of JSON for conversations and for profiles have in common."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, ValidationError

from service.domain.errors import InvalidInput
from service.domain.json_problem import json_problem


def _in_utc(time: datetime) -> datetime:
    try:
        utc = time.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999") from None
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]


def malformed(error: ValidationError, whole: str, line: bytes) -> InvalidInput:
    """Return what is wrong with a line of a file; `whole` is what a line is called."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        syntax = first["msg"].removeprefix("Invalid JSON: ")
        return InvalidInput(whole, f"is not JSON: {json_problem(line, syntax)}.")
    field = ".".join(map(str, first["loc"])) or whole
    return InvalidInput(field, f"{first['msg'].removeprefix('Value error, ')}.")


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def time_text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
