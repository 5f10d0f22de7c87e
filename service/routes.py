"""Every URL of the service, in one flat table."""

from collections.abc import Mapping
from typing import NamedTuple

from service.api import docs_page, openapi, ops
from service.api.context import Handler
from service.api.dialects import julep, julep_chat, keyed, native, pyspur
from service.api.path_route import PathRoute
from service.api.rate_limits import RateLimits, limited
from service.api.redirects import with_slash


class Endpoint(NamedTuple):
    method: str
    path: str
    handler: Handler


# The busiest first: rows are tried one after the other.
NATIVE = [
    Endpoint("POST", "/history/update/{session_id}", native.update_history),
    Endpoint("GET", "/history/recent/{session_id}", native.recent_history),
    Endpoint("GET", "/get/{session_id}", native.details),
    Endpoint("GET", "/get_all/{user_id:path}", native.list_by_user),
    Endpoint("GET", "/history/{session_id}", native.history),
    Endpoint("POST", "/create", native.create),
    Endpoint("GET", "/get_by_agent/{agent_id:path}", native.list_by_agent),
    Endpoint("POST", "/chat/{session_id}", native.converse),
    Endpoint("DELETE", "/delete/{session_id}", native.delete),
]

PYSPUR = [
    Endpoint("POST", "/session/", pyspur.create_session),
    Endpoint("GET", "/session/", pyspur.list_sessions),
    Endpoint("POST", "/session/test/", pyspur.create_test_session),
    Endpoint("GET", "/session/{session_id}/", pyspur.get_session),
    Endpoint("DELETE", "/session/{session_id}/", pyspur.delete_session),
    Endpoint("POST", "/user/", pyspur.create_user),
    Endpoint("GET", "/user/", pyspur.list_users),
    Endpoint("GET", "/user/{user_id:path}/", pyspur.get_user),
    Endpoint("PATCH", "/user/{user_id:path}/", pyspur.update_user),
    Endpoint("DELETE", "/user/{user_id:path}/", pyspur.delete_user),
    Endpoint("POST", "/session", with_slash),
    Endpoint("GET", "/session", with_slash),
    Endpoint("POST", "/session/test", with_slash),
    Endpoint("GET", "/session/{session_id}", with_slash),
    Endpoint("DELETE", "/session/{session_id}", with_slash),
    Endpoint("POST", "/user", with_slash),
    Endpoint("GET", "/user", with_slash),
    # Behind the rows above, because these match the paths with a slash, too.
    Endpoint("GET", "/user/{user_id:path}", with_slash),
    Endpoint("PATCH", "/user/{user_id:path}", with_slash),
    Endpoint("DELETE", "/user/{user_id:path}", with_slash),
]

KEYED = [
    Endpoint("GET", "/health", keyed.health),
    Endpoint("GET", "/api/v1/health", keyed.detailed_health),
    Endpoint("GET", "/api/v1/sessions", keyed.list_sessions),
    Endpoint("DELETE", "/api/v1/sessions", keyed.delete_sessions),
    Endpoint("GET", "/api/v1/sessions/{key:key}/export", keyed.export_session),
    # Keys may end in /export, too.
    Endpoint("DELETE", "/api/v1/sessions/{key:key}/export", keyed.delete_session),
    Endpoint("GET", "/api/v1/sessions/{key:key}", keyed.get_session),
    Endpoint("DELETE", "/api/v1/sessions/{key:key}", keyed.delete_session),
    Endpoint("POST", "/api/v1/chat", keyed.reply_to_message),
    Endpoint("POST", "/api/v1/chat/stream", keyed.stream_reply),
]

JULEP = [
    Endpoint("POST", "/sessions", julep.create_session),
    Endpoint("GET", "/sessions", julep.list_sessions),
    Endpoint("GET", "/sessions/{session_id:uuid}", julep.get_session),
    Endpoint("PUT", "/sessions/{session_id:uuid}", julep.replace_settings),
    Endpoint("PATCH", "/sessions/{session_id:uuid}", julep.merge_settings),
    Endpoint("DELETE", "/sessions/{session_id:uuid}", julep.delete_session),
    Endpoint("GET", "/sessions/{session_id:uuid}/history", julep.get_history),
    Endpoint("DELETE", "/sessions/{session_id:uuid}/history", julep.delete_history),
    Endpoint("GET", "/sessions/{session_id:uuid}/messages", julep.get_history),
    Endpoint("POST", "/sessions/{session_id:uuid}/messages", julep.add_message),
    Endpoint("GET", "/sessions/{session_id:uuid}/tools", julep.list_tools),
    Endpoint("GET", "/sessions/{session_id:uuid}/suggestions", julep_chat.get_suggestions),
    Endpoint("POST", "/sessions/{session_id:uuid}/chat", julep_chat.reply_to_messages),
]

OPS = [
    Endpoint("GET", "/", ops.about),
    Endpoint("GET", "/livez", ops.live),
    Endpoint("GET", "/readyz", ops.ready),
    Endpoint("GET", "/metrics", ops.metrics),
    Endpoint("GET", "/openapi.json", openapi.show_document),
    Endpoint("GET", "/docs", docs_page.show_page),
]

BY_DIALECT = {
    "native": [*NATIVE, *(e._replace(path=f"/sessions{e.path}") for e in NATIVE)],
    "pyspur": [*PYSPUR, *(e._replace(path=f"/api{e.path}") for e in PYSPUR)],
    "keyed": KEYED,
    "julep": JULEP,
    "ops": OPS,
}
ENDPOINTS = [endpoint for endpoints in BY_DIALECT.values() for endpoint in endpoints]
DIALECT_OF_PATH = {e.path: dialect for dialect, endpoints in BY_DIALECT.items() for e in endpoints}


def routes(limits: Mapping[str, RateLimits]) -> list[PathRoute]:
    """Return a route for each path, the endpoints of a dialect behind its limits if it has any."""
    by_path: dict[str, dict[str, Handler]] = {}
    for dialect, endpoints in BY_DIALECT.items():
        for method, path, handler in endpoints:
            by_path.setdefault(path, {})[method] = limited(handler, limits.get(dialect))
    return [PathRoute(path, handlers) for path, handlers in by_path.items()]
