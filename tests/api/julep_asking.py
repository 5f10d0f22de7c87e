"""Requests to the service as a client of Julep would send them."""

from datetime import datetime, timedelta
from typing import Any

from tests.api.asking import Api

NOT_FOUND = {"detail": "Session not found"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather somewhere",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


async def make_session(api: Api, **fields: Any) -> str:
    answer = await api.ask("POST", "/sessions", json={"agent_id": "agent"} | fields)
    assert answer.status_code == 201, answer.text
    session_id: str = answer.json()["id"]
    return session_id


async def show(api: Api, session_id: str) -> dict[str, Any]:
    answer = await api.get(f"/sessions/{session_id}")
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


async def listed(api: Api, **params: Any) -> list[str]:
    answer = await api.get("/sessions", **params)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"items"}
    return [session["id"] for session in answer.json()["items"]]


async def update(api: Api, method: str, session_id: str, **fields: Any) -> dict[str, Any]:
    answer = await api.ask(method, f"/sessions/{session_id}", json=fields)
    assert answer.status_code == 200, answer.text
    updated: dict[str, Any] = answer.json()
    return updated


async def add(api: Api, session_id: str, **message: Any) -> dict[str, Any]:
    answer = await api.ask("POST", f"/sessions/{session_id}/messages", json=message)
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    return added


async def history(api: Api, session_id: str, **params: Any) -> list[dict[str, Any]]:
    answer = await api.get(f"/sessions/{session_id}/history", **params)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"items"}
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def time_of(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    assert time.utcoffset() == timedelta(0)
    return time
