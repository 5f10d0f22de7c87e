"""What the OpenAPI document says about the domain's rules, with the numbers the domain checks.

Shapes leave these rules to the domain, so that every way in has the same rules in the same words;
here they are stated for readers and generators, as JSON Schema.
"""

from typing import Annotated, Any

from pydantic import ConfigDict, WithJsonSchema
from pydantic.config import JsonDict

from service.domain.extra_fields import RESERVED
from service.domain.models import Content, JsonObject
from service.domain.rules import (
    INT64,
    MAX_CONTENT_BYTES,
    MAX_ID_CHARS,
    MAX_JSON_DEPTH,
    MAX_KEY_CHARS,
    MAX_METADATA_BYTES,
    MAX_NAME_CHARS,
    MAX_REASONING_BYTES,
    MAX_SITUATION_BYTES,
    MAX_TITLE_CHARS,
    MAX_TOKEN_BUDGET,
    MAX_TOOL_CALLS_BYTES,
)

Schema = dict[str, Any]

STORABLE = r"^[^\x00]*$"


def the(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def examples(*bodies: JsonDict) -> ConfigDict:
    """Return the configuration of a shape that has these bodies as its examples."""
    return ConfigDict(json_schema_extra={"examples": list(bodies)})


def text(max_chars: int) -> WithJsonSchema:
    return WithJsonSchema(text_schema(max_chars))


def text_schema(max_chars: int, min_chars: int = 1) -> Schema:
    return {
        "type": "string",
        "minLength": min_chars,
        "maxLength": max_chars,
        "pattern": STORABLE,
    }


def _or_null(*kinds: Schema) -> Schema:
    return {"anyOf": [*kinds, {"type": "null"}]}


Id = Annotated[str, text(MAX_ID_CHARS)]
Key = Annotated[str, text(MAX_KEY_CHARS)]
Title = Annotated[str, text(MAX_TITLE_CHARS)]
Name = Annotated[str, text(MAX_NAME_CHARS)]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
FreeText = Annotated[str, WithJsonSchema({"type": "string", "pattern": STORABLE})]

# JSON Schema can only bound characters, not bytes of UTF-8 or of JSON.
SITUATION = text_schema(MAX_SITUATION_BYTES, min_chars=0) | {
    "description": f"At most {MAX_SITUATION_BYTES} bytes as UTF-8."
}
Situation = Annotated[str, WithJsonSchema(SITUATION)]
TokenBudget = WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_TOKEN_BUDGET})
Metadata = Annotated[
    JsonObject,
    WithJsonSchema(
        the("JsonObject") | {"description": f"At most {MAX_METADATA_BYTES} bytes as JSON."}
    ),
]

TEXT_CONTENT: JsonDict = text_schema(MAX_CONTENT_BYTES, min_chars=0)
PARTS_CONTENT: JsonDict = {"type": "array", "items": the("JsonObject")}
CONTENT_SIZE = f"At most {MAX_CONTENT_BYTES} bytes as UTF-8 or JSON."
SPOKEN_CONTENT: JsonDict = {"anyOf": [TEXT_CONTENT, PARTS_CONTENT], "description": CONTENT_SIZE}
SpokenContent = WithJsonSchema(SPOKEN_CONTENT)
REASONING_SIZE = f"What a model thought: at most {MAX_REASONING_BYTES} bytes as UTF-8."
ReasoningContent = Annotated[
    str,
    WithJsonSchema(text_schema(MAX_REASONING_BYTES, min_chars=0) | {"description": REASONING_SIZE}),
]
MessageContent = Annotated[
    Content,
    WithJsonSchema(_or_null(TEXT_CONTENT, PARTS_CONTENT) | {"description": CONTENT_SIZE}),
]
ToolCalls = WithJsonSchema(
    _or_null({"type": "array", "items": the("JsonObject")})
    | {"description": f"At most {MAX_TOOL_CALLS_BYTES} bytes as JSON."}
)

# Some field besides the role is not null; the service's own fields do not count.
SAYS_SOMETHING: Schema = {
    "additionalProperties": the("Json"),
    "not": {
        "properties": dict.fromkeys(("role", *RESERVED), True),
        "additionalProperties": {"type": "null"},
    },
    # Only an assistant thinks and calls tools.
    "anyOf": [
        {"properties": {"role": {"const": "assistant"}}},
        {
            "properties": {
                "tool_calls": _or_null({"type": "array", "maxItems": 0}),
                "reasoning_content": {"type": "null"},
            }
        },
    ],
}

JSON_COMPONENTS: dict[str, Schema] = {
    "Json": {
        "anyOf": [
            {"type": ["null", "boolean"]},
            {"type": "integer", "minimum": INT64.start, "maximum": INT64.stop - 1},
            {"type": "number"},
            {"type": "string", "pattern": STORABLE},
            {"type": "array", "items": the("Json")},
            the("JsonObject"),
        ],
        "description": f"Any JSON value of at most {MAX_JSON_DEPTH} levels.",
    },
    "JsonObject": {
        "type": "object",
        "propertyNames": {"pattern": STORABLE},
        "additionalProperties": the("Json"),
    },
}
