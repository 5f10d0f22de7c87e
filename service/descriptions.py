"""What `/openapi.json` tells of each endpoint, beside its row in the route table."""

from collections.abc import Collection, Mapping
from typing import Any

import service
from service.api import docs_page, openapi, ops
from service.api.context import Handler
from service.api.dialects import julep, julep_chat, julep_messages, keyed, native, pyspur
from service.api.openapi import Described, Operation, document
from service.api.redirects import with_slash
from service.domain.rules import MAX_KEY_CHARS
from service.domain.turns import MAX_TURN_KEY_CHARS
from service.routes import BY_DIALECT

MISSING = frozenset({404})
# Only the native dialect tells what is somebody else's from what is not there (decision 0005).
SESSION = MISSING | {403}
# The model may fail; the conversation may be too long for its budget.
CHAT = frozenset({400, 502})

DESCRIBED: Mapping[Handler, Described] = {
    native.create: Described(
        "Create a session.",
        answer="native.Created",
        query=native.CreateQuery,
        refuses=frozenset({403, 409}),
        makes={"session_id": "/session_id"},
    ),
    native.delete: Described(
        "Delete a session with its messages.", answer="native.Done", refuses=SESSION
    ),
    native.history: Described(
        "Show messages, oldest first.",
        answer="native.History",
        query=native.HistoryQuery,
        refuses=SESSION,
    ),
    native.update_history: Described(
        "Append a message.",
        answer="native.Done",
        body=native.MessageBody,
        refuses=SESSION | {409},
        max_idempotency_key_chars=MAX_KEY_CHARS,
    ),
    native.recent_history: Described(
        "Show the newest messages.",
        answer="native.History",
        query=native.HistoryQuery,
        refuses=SESSION,
    ),
    native.list_by_user: Described(
        "List the sessions of a user.",
        answer="native.Sessions",
        query=native.ListQuery,
        refuses=frozenset({403}),
    ),
    native.list_by_agent: Described(
        "List the sessions with an agent.", answer="native.Sessions", query=native.ListQuery
    ),
    native.details: Described(
        "Show a session with its newest messages.",
        answer="native.Details",
        query=native.HistoryQuery,
        refuses=SESSION,
    ),
    native.converse: Described(
        "Let the model answer; streamed on demand.",
        answer="native.Reply",
        body=native.ChatBody,
        refuses=SESSION | CHAT | {409},
        max_idempotency_key_chars=MAX_TURN_KEY_CHARS,
        events="native.Event",
    ),
    pyspur.create_session: Described(
        "Create a session, or return the one with this external id.",
        answer="pyspur.Session",
        body=pyspur.SessionBody,
        refuses=frozenset({403}),
        makes={"session_id": "/id"},
    ),
    pyspur.list_sessions: Described(
        "List the sessions of a user.", answer="pyspur.Sessions", query=pyspur.SessionsQuery
    ),
    pyspur.create_test_session: Described(
        "Return an empty test session.",
        answer="pyspur.Session",
        query=pyspur.TestSessionQuery,
        makes={"session_id": "/id"},
    ),
    pyspur.get_session: Described(
        "Show a session with its messages.", answer="pyspur.Session", refuses=MISSING
    ),
    pyspur.delete_session: Described(
        "Delete a session with its messages.", status=204, refuses=MISSING
    ),
    pyspur.create_user: Described(
        "Create a profile, or return it.",
        answer="pyspur.User",
        body=pyspur.UserBody,
        refuses=frozenset({403}),
        makes={"user_id": "/id"},
    ),
    pyspur.list_users: Described("List profiles.", answer="pyspur.Users", query=pyspur.PageQuery),
    pyspur.get_user: Described("Show a profile.", answer="pyspur.User", refuses=MISSING),
    pyspur.update_user: Described(
        "Change a profile.", answer="pyspur.User", body=pyspur.UserChangeBody, refuses=MISSING
    ),
    pyspur.delete_user: Described(
        "Delete a profile with its sessions.", status=204, refuses=MISSING
    ),
    with_slash: Described("Redirect to the path with a slash.", status=307),
    keyed.health: Described("Say that the service answers.", answer="keyed.Health"),
    keyed.detailed_health: Described("Tell version and uptime.", answer="keyed.Health"),
    keyed.list_sessions: Described("List the keys of the caller.", answer="keyed.Keys"),
    keyed.delete_sessions: Described(
        "Delete sessions by prefix and age.", answer="keyed.DeletedMany", query=keyed.DeleteQuery
    ),
    keyed.export_session: Described(
        "Export a session with its messages.", answer="keyed.Export", refuses=MISSING
    ),
    keyed.get_session: Described("Show a session.", answer="keyed.Session", refuses=MISSING),
    keyed.delete_session: Described(
        "Delete a session with its messages.", answer="keyed.Deleted", refuses=MISSING
    ),
    keyed.reply_to_message: Described(
        "Let the model answer.",
        answer="keyed.Reply",
        body=keyed.ChatBody,
        refuses=CHAT,
        makes={"key": "/session_key"},
    ),
    keyed.stream_reply: Described(
        "Stream the model's answer.", body=keyed.ChatBody, refuses=CHAT, events="keyed.Event"
    ),
    julep.create_session: Described(
        "Create a session.",
        status=201,
        answer="julep.Created",
        body=julep.SessionBody,
        refuses=frozenset({403}),
        makes={"session_id": "/id"},
    ),
    julep.list_sessions: Described(
        "List sessions by metadata.",
        answer="julep.Sessions",
        query=julep.SessionsQuery,
        refuses=frozenset({400}),
    ),
    julep.get_session: Described("Show a session.", answer="julep.Session", refuses=MISSING),
    julep.replace_settings: Described(
        "Replace settings of a session.",
        answer="julep.Changed",
        body=julep.SettingsBody,
        refuses=MISSING,
    ),
    julep.merge_settings: Described(
        "Change settings of a session.",
        answer="julep.Changed",
        body=julep.SettingsBody,
        refuses=MISSING,
    ),
    julep.delete_session: Described(
        "Delete a session with its messages.", status=202, answer="julep.Deleted", refuses=MISSING
    ),
    julep.get_history: Described(
        "Show messages, oldest first.",
        answer="julep.Messages",
        query=julep.PageQuery,
        refuses=MISSING,
    ),
    julep.delete_history: Described(
        "Empty a session.", status=202, answer="julep.Deleted", refuses=MISSING
    ),
    julep.add_message: Described(
        "Append a message.",
        status=201,
        answer="julep.Message",
        body=julep_messages.MessageBody,
        refuses=MISSING,
    ),
    julep.list_tools: Described(
        "List the tools of a session.", answer="julep.Tools", refuses=MISSING
    ),
    julep_chat.get_suggestions: Described(
        "Suggest what could be said next.",
        answer="julep.Suggestions",
        query=julep.PageQuery,
        refuses=MISSING | CHAT,
    ),
    julep_chat.reply_to_messages: Described(
        "Let the model answer; streamed on demand.",
        answer="julep.Reply",
        body=julep_chat.ChatBody,
        refuses=MISSING | CHAT,
        events="julep.Event",
    ),
    ops.about: Described("Tell what this service is.", answer="ops.About"),
    ops.live: Described("Say that this process answers.", answer="ops.Alive"),
    ops.ready: Described("Say whether requests can be served.", answer="ops.Readiness"),
    ops.metrics: Described("Show the metrics.", media_type="text/plain", refuses=MISSING),
    openapi.show_document: Described("Show this document.", answer="ops.Document"),
    docs_page.show_page: Described("Show this document as a page.", media_type="text/html"),
}


def description(limited: Collection[str]) -> dict[str, Any]:
    """Return the OpenAPI document of all routes; the dialects in `limited` have rate limits."""
    operations = (
        Operation(dialect, row.method, row.path, DESCRIBED[row.handler], dialect in limited)
        for dialect, rows in BY_DIALECT.items()
        for row in rows
    )
    return document(operations, service.__version__)
