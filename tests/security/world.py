"""An owner with a session and a profile full of canaries, and all others that request them."""

import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2

from service.domain.access import ADMIN_SCOPE, AGENT_SCOPE_PREFIX
from tests.api.asking import SECRET, Api
from tests.auth.signing import claims, hs256, signed
from tests.security.matrix import Row

CANARY = "canary-7d793037a076"
TOOL = {"type": "function", "function": {"name": "search", "description": CANARY}}
SECRETS = {"secret": CANARY}
CALL = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": CANARY}}
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "text", "text": CANARY}], "metadata": {"a": CANARY}},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": CANARY, "tool_call_id": "c1", "name": CANARY},
    # The demo's model repeats it, and suggestions are found in the second line.
    {"role": "user", "content": f"Hello\nuser: {CANARY}"},
]


@dataclass
class World:
    client: httpx2.AsyncClient
    owner: Api
    agent: str
    key: str
    session_id: str = ""
    held: list[str] = field(default_factory=list)
    """All of the owner's data, as the owner saw it at first."""
    seen_unchanged: bool | None = None
    """Whether `kept` was as `held` after the last request; None if nobody has looked since."""

    async def ask(self, who: str, endpoint: str, row: Row) -> httpx2.Response:
        self.seen_unchanged = None
        method, _, template = endpoint.partition(" ")
        query = self.filled(row.query)
        path = self.filled(template)
        return await self.client.request(
            method,
            f"{path}?{query}" if query else path,
            headers=self._headers(who),
            content=self.filled(json.dumps(row.body)) if row.body else None,
        )

    def filled(self, template: str) -> str:
        for name, value in {
            "{session_id}": self.session_id,
            "{session_id:uuid}": self.session_id,
            "{user_id:path}": self.owner.user_id,
            "{owner}": self.owner.user_id,
            "{agent_id:path}": self.agent,
            "{agent}": self.agent,
            "{key:path}": self.key,
            "{key}": self.key,
            "{{secret}}": quote(json.dumps(SECRETS)),
        }.items():
            template = template.replace(name, value)
        return template

    def told(self, endpoint: str, row: Row, answer: str) -> set[str]:
        """Return the owner's data that the response reveals and the request did not contain."""
        said = self.filled(f"{endpoint} {row.query} {json.dumps(row.body)}")
        secrets = {CANARY, self.key, self.session_id}
        return {secret for secret in secrets if secret in answer and secret not in said}

    async def is_unchanged(self) -> bool:
        """Say whether the owner's data is as at first; look once after each `ask`."""
        if self.seen_unchanged is None:
            self.seen_unchanged = await self.kept() == self.held
        return self.seen_unchanged

    async def kept(self) -> list[str]:
        """Return all of the owner's data, as the owner sees it."""
        paths = ("/get_all/{owner}", "/history/{session_id}", "/user/{owner}/", "/api/v1/sessions")
        return [(await self.owner.get(self.filled(path))).text for path in paths]

    def _headers(self, who: str) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        token = self._token(who)
        return headers | {"Authorization": f"Bearer {token}"} if token else headers

    def _token(self, who: str) -> str | None:
        match who:
            case "owner":
                return self.owner.token
            case "nobody":
                return None
            case "expired":
                an_hour_ago = int(time.time()) - 3600
                expired = claims(sub=self.owner.user_id, iat=an_hour_ago, exp=an_hour_ago + 60)
                return signed({"alg": "HS256"}, expired, hs256(SECRET))
        scopes = {
            "dashboard": [f"{AGENT_SCOPE_PREFIX}{self.agent}"],
            "other dashboard": [f"{AGENT_SCOPE_PREFIX}other-{self.agent}"],
            "admin": [ADMIN_SCOPE],
        }
        return Api(self.client, f"not-the-owner-{uuid4().hex}", *scopes.get(who, [])).token


async def new_world(client: httpx2.AsyncClient) -> World:
    # Owner ids sort first in lists of all users.
    owner = Api(client, f"a-{uuid4().hex}")
    world = World(client, owner, agent=f"agent-{uuid4().hex}", key=f"key-{uuid4().hex}")
    world.session_id = await owner.create(world.agent, key=world.key, title=CANARY)
    for message in MESSAGES:
        assert (await owner.update(world.session_id, message)).status_code == 200
    settings = {"situation": CANARY, "metadata": SECRETS, "tools": [TOOL]}
    await _done(owner, "PATCH", f"/sessions/{world.session_id}", settings)
    await _done(owner, "POST", "/user/", {"external_id": owner.user_id, "user_metadata": SECRETS})
    world.held = await world.kept()
    return world


async def _done(owner: Api, method: str, path: str, body: Any) -> None:
    answer = await owner.ask(method, path, json=body)
    assert answer.status_code == 200, answer.text
