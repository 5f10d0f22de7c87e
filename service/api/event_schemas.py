"""What streams answer, as JSON Schema: each server-sent event is of one of these kinds."""

from service.api.answer_schemas import COUNT, ID, NOTHING, OBJECT, TEXT, USAGE, many, record
from service.api.bounds import Schema, the


def streamed(*kinds: Schema, names: list[str]) -> Schema:
    """Return the schema of one server-sent event, whose data is JSON of one of the kinds."""
    return record(
        {
            "event": {"enum": names},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"anyOf": list(kinds)},
            },
        }
    )


EVENTS: dict[str, Schema] = {
    "native.Event": streamed(
        record({"content": TEXT}),
        record({"tool_call": OBJECT}),
        the("native.Reply"),
        the("native.Failure"),
        names=["message", "error"],
    ),
    "keyed.Event": streamed(
        record({"session_key": TEXT}),
        record({"text": TEXT}),
        record({"iterations": COUNT, "usage": USAGE, "tool_calls_made": many(TEXT)}),
        record({"detail": TEXT}),
        names=["start", "token", "done", "error"],
    ),
    "julep.Piece": record({"role": {"const": "assistant"}, "content": TEXT}),
    "julep.Chunk": record(
        {"id": ID, "finish_reason": NOTHING, "response": many(many(the("julep.Piece")))}
    ),
    # The last one is `[DONE]`, which is no JSON.
    "julep.Event": {
        "anyOf": [
            record({"event": {"const": "message"}, "data": {"const": "[DONE]"}}),
            streamed(
                the("julep.Chunk"),
                the("julep.Reply"),
                the("julep.Failure"),
                names=["message", "error"],
            ),
        ]
    },
}
