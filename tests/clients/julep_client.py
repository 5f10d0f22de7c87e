"""The real client of Julep, which makes its calls in another process."""

import asyncio
import json
from typing import Any
from uuid import uuid4

AGENT = str(uuid4())


class Refused(Exception):
    """The client raised its ApiError."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class JulepClient:
    """Lets the real client make its calls, as one user."""

    def __init__(self, process: asyncio.subprocess.Process, user_id: str) -> None:
        self._process = process
        self.user_id = user_id

    async def call(self, name: str, **arguments: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps([name, arguments]).encode() + b"\n")
        line = await stdout.readline()
        assert line, f"{name}: the client failed; what it printed says why."
        answer = json.loads(line)
        if "status" in answer:
            raise Refused(**answer)
        return answer["result"]

    async def create(self, **arguments: Any) -> str:
        session = await self.call("create", **{"agent_id": AGENT} | arguments)
        session_id: str = session["id"]
        return session_id

    async def get(self, session_id: str) -> dict[str, Any]:
        session: dict[str, Any] = await self.call("get", id=session_id)
        return session

    async def has(self, session_id: str, **metadata: Any) -> bool:
        """Report whether the session has this metadata: the client drops it from what it reads."""
        found = await self.call("list", metadata_filter=metadata)
        return session_id in [session["id"] for session in found]

    async def chat(self, session_id: str, *messages: dict[str, Any], **settings: Any) -> Any:
        return await self.call("chat", session_id=session_id, messages=messages, **settings)

    async def history(self, session_id: str) -> list[tuple[str, str]]:
        messages = await self.call("history", session_id=session_id)
        return [(message["role"], message["content"]) for message in messages]
