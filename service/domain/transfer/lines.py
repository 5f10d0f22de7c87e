"""What lines of JSON for conversations and for profiles have in common."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, ValidationError

from service.domain.errors import InvalidInput


def _in_utc(time: datetime) -> datetime:
    try:
        utc = time.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999") from None
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]


def malformed(error: ValidationError, whole: str) -> InvalidInput:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(map(str, first["loc"])) or whole
    return InvalidInput(field, f"{first['msg'].removeprefix('Value error, ')}.")


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def time_text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
