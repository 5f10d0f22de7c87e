"""Who may do what on every row of the route table, with every cell spelled out.

The callers request what the owner has: its session, its profile, its key.
"""

from typing import Any, NamedTuple

WHO = ("owner", "stranger", "dashboard", "other dashboard", "admin", "nobody", "expired")


class Row(NamedTuple):
    """`statuses` stand in the order of WHO.

    `sees` lists the callers whose responses reveal owner data that they did not send themselves,
    `changes` those whose requests change owner data. No other caller does either.
    """

    statuses: tuple[int, int, int, int, int, int, int]
    sees: str = ""
    changes: str = ""
    query: str = ""
    body: Any = None

    def may_see(self, who: str) -> bool:
        return who in self.sees.split(", ")

    def may_change(self, who: str) -> bool:
        return who in self.changes.split(", ")


MESSAGE = {"role": "user", "content": "Hello"}
READERS = "owner, dashboard, admin"
OWNERS = "owner, admin"
READ_403 = (200, 403, 200, 403, 200, 401, 401)
WRITE_403 = (200, 403, 403, 403, 200, 401, 401)
READ_404 = (200, 404, 200, 404, 200, 401, 401)
WRITE_404 = (200, 404, 404, 404, 200, 401, 401)
ACCEPTED_404 = (202, 404, 404, 404, 202, 401, 401)
NO_CONTENT_404 = (204, 404, 404, 404, 204, 401, 401)
OWNER_404 = (200, 404, 404, 404, 404, 401, 401)
# Each caller gets a response, about its own data.
OWN = (200, 200, 200, 200, 200, 401, 401)
OPEN = (200, 200, 200, 200, 200, 200, 200)

NATIVE = {
    "POST /create": Row(WRITE_403, changes=OWNERS, query="agent_id=a&user_id={owner}"),
    "PATCH /update/{session_id}": Row(
        WRITE_403, sees=OWNERS, changes=OWNERS, body={"title": "Changed"}
    ),
    "DELETE /delete/{session_id}": Row(WRITE_403, changes=OWNERS),
    "GET /history/{session_id}": Row(READ_403, sees=READERS),
    "POST /history/update/{session_id}": Row(WRITE_403, changes=OWNERS, body=MESSAGE),
    "POST /history/append/{session_id}": Row(
        WRITE_403, changes=OWNERS, body={"messages": [MESSAGE]}
    ),
    "GET /history/recent/{session_id}": Row(READ_403, sees=READERS),
    "GET /get_all": Row(OWN, sees="owner"),
    "GET /get_all/{user_id:path}": Row(WRITE_403, sees=OWNERS),
    "GET /get_by_agent/{agent_id:path}": Row(OWN, sees=READERS),
    "GET /get/{session_id}": Row(READ_403, sees=READERS),
    "POST /chat/{session_id}": Row(WRITE_403, changes=OWNERS, body={"content": "Hello"}),
}

PYSPUR = {
    "POST /session/": Row(
        WRITE_403,
        sees=OWNERS,
        body={"user_id": "{owner}", "workflow_id": "a", "external_id": "{key}"},
    ),
    "GET /session/": Row(OWN, sees=OWNERS, query="user_id={owner}"),
    "POST /session/test/": Row(OWN, changes="owner", query="workflow_id={agent}"),
    "GET /session/{session_id}/": Row(READ_404, sees=READERS),
    "DELETE /session/{session_id}/": Row(NO_CONTENT_404, changes=OWNERS),
    "POST /user/": Row(WRITE_403, sees=OWNERS, body={"external_id": "{owner}"}),
    "GET /user/": Row(OWN, sees=OWNERS, query="limit=100"),
    "GET /user/{user_id:path}/": Row(WRITE_404, sees=OWNERS),
    "PATCH /user/{user_id:path}/": Row(
        WRITE_404, changes=OWNERS, body={"user_metadata": {"changed": True}}
    ),
    "DELETE /user/{user_id:path}/": Row(NO_CONTENT_404, changes=OWNERS),
}

KEYED_CHAT = Row(OWN, changes="owner", body={"message": "Hello", "session_key": "{key}"})
KEYED = {
    "GET /api/v1/health": Row(OWN),
    "GET /api/v1/sessions": Row(OWN, sees="owner"),
    "DELETE /api/v1/sessions": Row(OWN, changes="owner", query="prefix={key}"),
    "GET /api/v1/sessions/{key:path}/export": Row(OWNER_404, sees="owner"),
    # No session has a key that ends in /export.
    "DELETE /api/v1/sessions/{key:path}/export": Row((404, 404, 404, 404, 404, 401, 401)),
    "GET /api/v1/sessions/{key:path}": Row(OWNER_404),
    "DELETE /api/v1/sessions/{key:path}": Row(OWNER_404, changes="owner"),
    "POST /api/v1/chat": KEYED_CHAT,
    "POST /api/v1/chat/stream": KEYED_CHAT,
}

ONE = "/sessions/{session_id:uuid}"
JULEP = {
    "POST /sessions": Row(
        (201, 403, 403, 403, 201, 401, 401),
        changes=OWNERS,
        body={"agent_id": "a", "user_id": "{owner}"},
    ),
    "GET /sessions": Row(OWN, sees="owner"),
    f"GET {ONE}": Row(READ_404, sees=READERS),
    f"PUT {ONE}": Row(WRITE_404, changes=OWNERS, body={"situation": "new"}),
    f"PATCH {ONE}": Row(WRITE_404, changes=OWNERS, body={"situation": "new"}),
    f"DELETE {ONE}": Row(ACCEPTED_404, changes=OWNERS),
    f"GET {ONE}/history": Row(READ_404, sees=READERS),
    f"DELETE {ONE}/history": Row(ACCEPTED_404, changes=OWNERS),
    f"GET {ONE}/messages": Row(READ_404, sees=READERS),
    f"POST {ONE}/messages": Row((201, 404, 404, 404, 201, 401, 401), changes=OWNERS, body=MESSAGE),
    f"GET {ONE}/tools": Row(READ_404, sees=READERS),
    f"GET {ONE}/suggestions": Row(READ_404, sees=READERS),
    f"POST {ONE}/chat": Row(WRITE_404, changes=OWNERS, body={"messages": [MESSAGE]}),
}

OPS = {
    "GET /": Row(OPEN),
    "GET /health": Row(OPEN),
    "GET /livez": Row(OPEN),
    "GET /readyz": Row(OPEN),
    "GET /metrics": Row(OPEN),
    "GET /openapi.json": Row(OPEN),
    "GET /docs": Row(OPEN),
    "GET /docs/swagger-ui.css": Row(OPEN),
    "GET /docs/swagger-ui-bundle.js": Row(OPEN),
    "GET /docs/start.js": Row(OPEN),
}


def mounted(rows: dict[str, Row], at: str) -> dict[str, Row]:
    return {name.replace(" ", f" {at}", 1): row for name, row in rows.items()}


MATRIX = {
    **NATIVE,
    **mounted(NATIVE, "/sessions"),
    **PYSPUR,
    **mounted(PYSPUR, "/api"),
    **KEYED,
    **JULEP,
    **OPS,
}

# The same routes, with requests beyond those of the rows above.
STREAMED = {"stream": True}
VARIANTS = [
    ("HEAD /history/{session_id}", Row(READ_403)),
    ("GET /history/{session_id}", Row(READ_403, sees=READERS, query="include=seq,id,created_at")),
    ("GET /get_by_agent/{agent_id:path}", Row(OWN, sees=READERS, query="sort_by=last_active")),
    ("POST /create", Row((409, 200, 200, 200, 200, 401, 401), query="agent_id={agent}&key={key}")),
    (
        "POST /chat/{session_id}",
        Row(WRITE_403, changes=OWNERS, body={"content": "Hello", **STREAMED}),
    ),
    (f"POST {ONE}/chat", Row(WRITE_404, changes=OWNERS, body={"messages": [MESSAGE], **STREAMED})),
    ("GET /session/", Row(OWN, query="user_id={owner}&skip=1")),
    ("POST /user/", Row(WRITE_403, sees=OWNERS, body={"external_id": "{owner}", "x": 1})),
    ("GET /sessions", Row(OWN, sees="owner", query="metadata_filter={{secret}}")),
    ("DELETE /api/v1/sessions", Row(OWN, sees="owner", changes="owner", query="prefix=key-")),
]
ASKED = [*MATRIX.items(), *VARIANTS]
