"""An example of what each answer looks like; a test checks them against the schemas."""

from typing import Any

SESSION_ID = "6f1f7c0e-3b52-4c5e-9f0e-0b8a4f3f2a11"
MESSAGE_ID = "0d0c9c4e-6d53-4f4e-8a0c-7c1f6f0f5a22"
BEGAN = "2026-03-01T12:00:00.000Z"
ENDED = "2026-03-01T12:00:05.000Z"
USAGE = {"prompt_tokens": 12, "completion_tokens": 3}

NATIVE_SAID = {"role": "assistant", "content": "Paris"}
NATIVE_SESSION = {
    "session_id": SESSION_ID,
    "agent_id": "agent123",
    "user_id": "alice",
    "created_at": BEGAN,
    "last_active": ENDED,
    "message_count": 1,
    "max_context_results": 1,
    "title": "First steps",
    "preview": {"role": "assistant", "text": "Paris"},
}
NATIVE = {
    "native.Failure": {
        "message": "Failed to create session.",
        "error": "agent_id: must be 1 to 256 characters long, not 0.",
    },
    "native.Done": {"message": "Session history updated successfully."},
    "native.Created": {
        "message": "Chat session created successfully.",
        "session_id": SESSION_ID,
    },
    "native.Message": NATIVE_SAID,
    "native.Session": NATIVE_SESSION,
    "native.History": {
        "message": "Session history retrieved successfully.",
        "data": [NATIVE_SAID],
    },
    "native.Sessions": {
        "message": "User sessions retrieved successfully.",
        "data": [NATIVE_SESSION],
    },
    "native.Details": {
        "message": "Session details retrieved successfully.",
        "data": {**NATIVE_SESSION, "history": [NATIVE_SAID]},
    },
    "native.Reply": {"message": "Chat reply generated successfully.", "data": NATIVE_SAID},
}

PYSPUR_MESSAGE = {
    "id": MESSAGE_ID,
    "session_id": SESSION_ID,
    "run_id": None,
    "content": NATIVE_SAID,
    "created_at": ENDED,
    "updated_at": ENDED,
}
PYSPUR_SESSION = {
    "id": SESSION_ID,
    "user_id": "alice",
    "workflow_id": "agent123",
    "external_id": "1732176000.000100",
    "created_at": BEGAN,
    "updated_at": ENDED,
    "messages": [PYSPUR_MESSAGE],
}
PYSPUR_USER = {
    "id": "alice",
    "external_id": "alice",
    "user_metadata": {"team": "sales"},
    "created_at": BEGAN,
    "updated_at": BEGAN,
}
PYSPUR = {
    "pyspur.Failure": {"detail": "Session not found"},
    "pyspur.Message": PYSPUR_MESSAGE,
    "pyspur.Session": PYSPUR_SESSION,
    "pyspur.Sessions": {"sessions": [PYSPUR_SESSION], "total": 1},
    "pyspur.User": PYSPUR_USER,
    "pyspur.Users": {"users": [PYSPUR_USER], "total": 1},
}

KEY = "user:alice:first-steps"
KEYED_SESSION = {
    "key": KEY,
    "message_count": 1,
    "created_at": 1772366400.0,
    "updated_at": 1772366405.0,
    "age_seconds": 60.5,
}
KEYED_LINE_MESSAGE = {**NATIVE_SAID, "id": MESSAGE_ID, "created_at": ENDED}
KEYED_LINE = {
    "session_id": SESSION_ID,
    "user_id": "alice",
    "agent_id": "agent123",
    "key": KEY,
    "title": None,
    "metadata": None,
    "max_context_results": 1,
    "created_at": BEGAN,
    "messages": [KEYED_LINE_MESSAGE],
}
KEYED = {
    "keyed.Failure": {"detail": "Session not found"},
    "keyed.Health": {"status": "ok"},
    "keyed.Keys": {"sessions": [KEY], "count": 1},
    "keyed.Session": KEYED_SESSION,
    "keyed.Export": KEYED_LINE,
    "keyed.Line": KEYED_LINE,
    "keyed.LineMessage": KEYED_LINE_MESSAGE,
    "keyed.Deleted": {"deleted": True, "key": KEY},
    "keyed.DeletedMany": {"deleted": 1, "keys": [KEY]},
    "keyed.Reply": {
        "response": "Paris",
        "iterations": 1,
        "usage": USAGE,
        "tool_calls_made": [],
        "session_key": KEY,
    },
}

JULEP_MESSAGE = {
    "id": MESSAGE_ID,
    "role": "assistant",
    "content": "Paris",
    "name": None,
    "created_at": ENDED,
}
JULEP_SESSION = {
    "id": SESSION_ID,
    "user_id": "alice",
    "agent_id": "agent123",
    "situation": "Be brief.",
    "summary": None,
    "created_at": BEGAN,
    "updated_at": ENDED,
    "metadata": None,
    "render_templates": False,
    "token_budget": 4000,
    "context_overflow": None,
}
JULEP_SUGGESTION = {
    "session_id": SESSION_ID,
    "message_id": MESSAGE_ID,
    "target": "user",
    "content": "And of Spain?",
    "created_at": ENDED,
}
JULEP = {
    "julep.Failure": {"detail": "Session not found"},
    "julep.Invalid": {
        "status_code": 422,
        "message": "agent_id: is required.",
        "data": None,
    },
    "julep.Created": {"id": SESSION_ID, "created_at": BEGAN, "jobs": []},
    "julep.Changed": {"id": SESSION_ID, "updated_at": ENDED, "jobs": []},
    "julep.Deleted": {"id": SESSION_ID, "deleted_at": ENDED, "jobs": []},
    "julep.Session": JULEP_SESSION,
    "julep.Sessions": {"items": [JULEP_SESSION]},
    "julep.Message": JULEP_MESSAGE,
    "julep.Messages": {"items": [JULEP_MESSAGE]},
    "julep.Tools": {
        "items": [{"id": MESSAGE_ID, "type": "function", "function": {"name": "search"}}]
    },
    "julep.Suggestions": {"items": [JULEP_SUGGESTION]},
    "julep.Reply": {
        "id": MESSAGE_ID,
        "finish_reason": "stop",
        "response": [[JULEP_MESSAGE]],
        "usage": {**USAGE, "total_tokens": 15},
        "jobs": [],
        "doc_ids": {"agent_doc_ids": [], "user_doc_ids": []},
    },
}

OPS = {
    "ops.Failure": {"message": "Internal Server Error", "error": "The service failed."},
    "Refusal": {
        "message": "Request Timeout",
        "error": "The request took too long to arrive.",
    },
    "ops.About": {
        "name": "session-service",
        "version": "0.1.0",
        "dialects": {"native": ["/", "/sessions"]},
        "links": {"docs": "/docs"},
    },
    "ops.Document": {
        "openapi": "3.1.0",
        "info": {"title": "Session service", "version": "0.1.0"},
        "paths": {},
        "components": {},
    },
    "ops.Alive": {"status": "alive"},
    "ops.Readiness": {"status": "ready", "failed": []},
}

EXAMPLES: dict[str, Any] = NATIVE | PYSPUR | KEYED | JULEP | OPS
