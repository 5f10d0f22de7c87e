"""The fields of a message that this service does not know, kept with it as they came."""

from pydantic import BaseModel

from service.domain.models import JsonObject

# The service's own: a message that was read here and is sent again does not bring them along.
RESERVED = ("seq", "id", "created_at")
# Where one of these is null, that is kept as well; `content` is shown whatever it is.
NULLABLE = ("reasoning_content", "name", "tool_calls", "tool_call_id", "metadata")


def unknown_fields(message: BaseModel) -> JsonObject:
    """Return what a shape that allows extra fields has been given besides its own."""
    extra = message.model_extra or {}
    return {field: value for field, value in extra.items() if field not in RESERVED}


def null_fields(message: BaseModel) -> JsonObject:
    """Return the fields that have been given as null."""
    given = message.model_fields_set
    return {f: None for f in NULLABLE if f in given and getattr(message, f) is None}
