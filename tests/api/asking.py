"""Requests to the service as a user would send them, over HTTP."""

from typing import Any

import httpx2

from service.auth.mint import mint

SECRET = "a secret of the tests, long enough for HS256"
# No session has this id. It is fixed because names of tests contain it: they have to be the
# same in every process.
UNKNOWN_ID = "6f1b8a52-0c4e-4a3f-9d0b-52e7c1a4d8f3"


class Api:
    """Sends requests to the service as one user."""

    def __init__(self, client: httpx2.AsyncClient, user_id: str, *scopes: str) -> None:
        self.client = client
        self.user_id = user_id
        self.token = mint(SECRET, user_id=user_id, scopes=scopes, lifetime_s=86400)

    async def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **options)

    async def get(self, path: str, **params: Any) -> httpx2.Response:
        return await self.ask("GET", path, params=params or None)

    async def create(self, agent_id: str = "agent", **params: Any) -> str:
        answer = await self.ask("POST", "/create", params={"agent_id": agent_id} | params)
        assert answer.status_code == 200, answer.text
        session_id: str = answer.json()["session_id"]
        return session_id

    async def update(
        self, session_id: str, body: Any, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        path = f"/history/update/{session_id}"
        return await self.ask("POST", path, json=body, headers=headers or {})

    async def say(self, session_id: str, *contents: str) -> None:
        for content in contents:
            answer = await self.update(session_id, {"role": "user", "content": content})
            assert answer.status_code == 200, answer.text

    async def history(self, session_id: str, **params: Any) -> list[Any]:
        answer = await self.get(f"/history/{session_id}", **params)
        assert answer.status_code == 200, answer.text
        data: list[Any] = answer.json()["data"]
        return data
