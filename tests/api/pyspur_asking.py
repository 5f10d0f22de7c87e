"""Requests to the service as a client of PySpur would send them."""

from typing import Any
from uuid import UUID

import pytest

from service.app import SessionService
from service.domain.access import Caller
from service.domain.models import NewMessage, Role
from tests.api.asking import Api

each_mount = pytest.mark.parametrize("mount", ["", "/api"], ids=["at the root", "under /api"])


async def make_session(api: Api, mount: str = "", **fields: Any) -> dict[str, Any]:
    body = {"user_id": api.user_id, "workflow_id": "agent"} | fields
    answer = await api.ask("POST", f"{mount}/session/", json=body)
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


async def make_test_session(api: Api, workflow_id: str, mount: str = "") -> dict[str, Any]:
    path = f"{mount}/session/test/"
    answer = await api.ask("POST", path, params={"workflow_id": workflow_id})
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


async def show(api: Api, session_id: str) -> dict[str, Any]:
    answer = await api.get(f"/session/{session_id}/")
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


async def listed(api: Api, **params: Any) -> tuple[list[Any], int]:
    answer = await api.get("/session/", **params)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"sessions", "total"}
    return answer.json()["sessions"], answer.json()["total"]


def texts(session: dict[str, Any]) -> list[str]:
    return [message["content"]["content"] for message in session["messages"]]


async def fill(app: SessionService, api: Api, session_id: str, count: int) -> None:
    """Append messages that say 0, 1, 2 … to a session."""
    said = [NewMessage(role=Role.USER, content=str(number)) for number in range(count)]
    for first in range(0, count, 1000):
        await app.use_cases.sessions.append(
            Caller(user_id=api.user_id), UUID(session_id), said[first : first + 1000]
        )
