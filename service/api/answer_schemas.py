"""What the dialects answer, as JSON Schema: each answer has these fields and no others."""

from service.api.answer_examples import EXAMPLES
from service.api.bounds import Schema, the

TEXT: Schema = {"type": "string"}
NAMED: Schema = {"type": ["string", "null"]}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
ID: Schema = {"type": "string", "format": "uuid"}
TIME: Schema = {"type": "string", "format": "date-time"}
ANY: Schema = {}
OBJECT: Schema = {"type": "object"}
NOTHING: Schema = {"type": "null"}
OBJECT_OR_NULL: Schema = {"type": ["object", "null"]}
CONTENT: Schema = {"type": ["string", "array", "null"], "items": OBJECT}
ROLE: Schema = {"enum": ["user", "assistant", "system", "tool"]}
JULEP_ROLE: Schema = {"enum": ["user", "assistant", "system", "function_call", "function"]}


def many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def record(fields: dict[str, Schema], **optional: Schema) -> Schema:
    """Return the schema of an object that has all the fields, and maybe the optional ones."""
    return {
        "type": "object",
        "properties": fields | optional,
        "required": list(fields),
        "additionalProperties": False,
    }


USAGE = record({"prompt_tokens": COUNT, "completion_tokens": COUNT})
MESSAGE_FIELDS = {"name": TEXT, "tool_calls": many(OBJECT), "tool_call_id": TEXT}
# `input` is what was sent where it was wrong.
PROBLEM = record(
    {"type": TEXT, "loc": many({"type": ["string", "integer"]}), "msg": TEXT, "input": ANY}
)
PYSPUR_TIMES = {"created_at": TIME, "updated_at": TIME}
JULEP_CHANGED = {"id": ID, "updated_at": TIME, "jobs": many(ANY)}
NATIVE_SESSION_FIELDS = {
    "session_id": ID,
    "agent_id": TEXT,
    "user_id": TEXT,
    "created_at": TIME,
    "last_active": TIME,
    "message_count": COUNT,
    "max_context_results": COUNT,
}
NATIVE_SESSION_OPTIONAL = {
    "title": TEXT,
    "key": TEXT,
    "preview": record({"role": ROLE, "text": TEXT}),
}

NATIVE = {
    "native.Failure": record({"message": TEXT, "error": TEXT}),
    "native.Done": record({"message": TEXT}),
    "native.Created": record({"message": TEXT, "session_id": ID}),
    "native.Message": record(
        {"role": ROLE, "content": CONTENT},
        **MESSAGE_FIELDS,
        metadata=OBJECT,
        seq=COUNT,
        id=ID,
        created_at=TIME,
    ),
    "native.Session": record(NATIVE_SESSION_FIELDS, **NATIVE_SESSION_OPTIONAL),
    "native.History": record({"message": TEXT, "data": many(the("native.Message"))}),
    "native.Sessions": record({"message": TEXT, "data": many(the("native.Session"))}),
    "native.Details": record(
        {
            "message": TEXT,
            "data": record(
                NATIVE_SESSION_FIELDS | {"history": many(the("native.Message"))},
                **NATIVE_SESSION_OPTIONAL,
            ),
        }
    ),
    "native.Reply": record({"message": TEXT, "data": the("native.Message")}),
}

PYSPUR = {
    "pyspur.Failure": record({"detail": {"anyOf": [TEXT, many(PROBLEM)]}}),
    "pyspur.Message": record(
        {
            "id": ID,
            "session_id": ID,
            "run_id": NOTHING,
            "content": record({"role": ROLE, "content": CONTENT}, **MESSAGE_FIELDS),
            **PYSPUR_TIMES,
        }
    ),
    "pyspur.Session": record(
        {
            "id": ID,
            "user_id": TEXT,
            "workflow_id": TEXT,
            "external_id": NAMED,
            **PYSPUR_TIMES,
            "messages": many(the("pyspur.Message")),
        }
    ),
    "pyspur.Sessions": record({"sessions": many(the("pyspur.Session")), "total": COUNT}),
    "pyspur.User": record(
        {"id": TEXT, "external_id": TEXT, "user_metadata": OBJECT_OR_NULL, **PYSPUR_TIMES}
    ),
    "pyspur.Users": record({"users": many(the("pyspur.User")), "total": COUNT}),
}

KEYED = {
    "keyed.Failure": record(
        {"detail": TEXT}, errors=many(record({"field": TEXT, "message": TEXT, "type": TEXT}))
    ),
    "keyed.Health": record({"status": TEXT}, version=TEXT, uptime_seconds=NUMBER),
    "keyed.Keys": record({"sessions": many(TEXT), "count": COUNT}),
    "keyed.Session": record(
        {
            "key": TEXT,
            "message_count": COUNT,
            "created_at": NUMBER,
            "updated_at": NUMBER,
            "age_seconds": NUMBER,
        }
    ),
    # The line that `export` writes and `import` takes, or what is shown of a session with this key.
    "keyed.Export": {"anyOf": [the("keyed.Line"), the("keyed.Session")]},
    "keyed.Line": record(
        {
            "session_id": ID,
            "user_id": TEXT,
            "agent_id": TEXT,
            "key": NAMED,
            "title": NAMED,
            "metadata": OBJECT_OR_NULL,
            "max_context_results": COUNT,
            "created_at": TIME,
            "messages": many(the("keyed.LineMessage")),
        },
        is_test={"type": "boolean"},
        situation=TEXT,
        render_templates={"type": "boolean"},
        token_budget=COUNT,
        context_overflow=TEXT,
        tools=many(OBJECT),
    ),
    "keyed.LineMessage": record(
        {"role": ROLE, "content": CONTENT, "id": ID, "created_at": TIME},
        **MESSAGE_FIELDS,
        metadata=OBJECT,
        client_key=TEXT,
        usage=USAGE,
    ),
    "keyed.Deleted": record({"deleted": {"const": True}, "key": TEXT}),
    "keyed.DeletedMany": record({"deleted": COUNT, "keys": many(TEXT)}),
    "keyed.Reply": record(
        {
            "response": TEXT,
            "iterations": COUNT,
            "usage": USAGE,
            "tool_calls_made": many(TEXT),
            "session_key": TEXT,
        }
    ),
}

JULEP = {
    "julep.Failure": record({"detail": TEXT}),
    "julep.Invalid": record({"status_code": {"const": 422}, "message": TEXT, "data": NOTHING}),
    "julep.Created": record({"id": ID, "created_at": TIME, "jobs": many(ANY)}),
    "julep.Changed": record(JULEP_CHANGED),
    "julep.Deleted": record({"id": ID, "deleted_at": TIME}, jobs=many(ANY)),
    "julep.Session": record(
        {
            "id": ID,
            "user_id": TEXT,
            "agent_id": TEXT,
            "situation": NAMED,
            "summary": NAMED,
            "created_at": TIME,
            "updated_at": TIME,
            "metadata": OBJECT_OR_NULL,
            "render_templates": {"type": "boolean"},
            "token_budget": {"type": ["integer", "null"]},
            "context_overflow": NAMED,
        }
    ),
    "julep.Sessions": record({"items": many(the("julep.Session"))}),
    "julep.Message": record(
        {
            "id": ID,
            "role": JULEP_ROLE,
            "content": {"type": ["string", "array"], "items": OBJECT},
            "name": NAMED,
            "created_at": TIME,
        },
        tool_call_id=TEXT,
    ),
    "julep.Messages": record({"items": many(the("julep.Message"))}),
    "julep.Tools": record(
        {"items": many(record({"id": ID, "type": {"const": "function"}, "function": OBJECT}))}
    ),
    "julep.Suggestions": record(
        {
            "items": many(
                record(
                    {
                        "session_id": ID,
                        "message_id": ID,
                        "target": {"enum": ["user", "agent"]},
                        "content": TEXT,
                        "created_at": TIME,
                    }
                )
            )
        }
    ),
    "julep.Reply": record(
        {
            "id": ID,
            "finish_reason": TEXT,
            "response": many(many(the("julep.Message"))),
            "usage": record(
                {"prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT}
            ),
            "jobs": many(ANY),
            "doc_ids": record({"agent_doc_ids": many(ANY), "user_doc_ids": many(ANY)}),
        }
    ),
}

OPS = {
    "ops.Failure": record({"message": TEXT, "error": TEXT}),
    "Refusal": record({"message": TEXT, "error": TEXT}, detail=TEXT),
    "ops.About": record(
        {
            "name": TEXT,
            "version": TEXT,
            "dialects": {"type": "object", "additionalProperties": many(TEXT)},
            "links": {"type": "object", "additionalProperties": TEXT},
        }
    ),
    "ops.Document": {
        "type": "object",
        "properties": {"openapi": {"const": "3.1.0"}},
        "required": ["openapi", "info", "paths", "components"],
    },
    "ops.Alive": record({"status": TEXT}),
    "ops.Readiness": record({"status": TEXT, "failed": many(TEXT)}, details=many(TEXT)),
}

SCHEMAS: dict[str, Schema] = {
    name: schema | {"examples": [EXAMPLES[name]]}
    for name, schema in (NATIVE | PYSPUR | KEYED | JULEP | OPS).items()
}
