"""The libraries that keep chat histories in MongoDB, behind the same kind of handler.

They are called as their documentation shows, with one client for all requests. They keep
messages only: no owner, no list of sessions. Runs on `locks/peers.txt`.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import orjson
from agents.extensions.memory import MongoDBSession  # type: ignore[import-not-found]  # See above.
from langchain_core.messages import AIMessage, HumanMessage  # type: ignore[import-not-found]
from langchain_mongodb import MongoDBChatMessageHistory  # type: ignore[import-not-found]
from pymongo import AsyncMongoClient, MongoClient
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.bearer import user_of
from bench.serving import POOL_SIZE, serve

OPTIONS: dict[str, Any] = {
    "w": "majority",
    "journal": True,
    "readConcernLevel": "majority",
    "maxPoolSize": POOL_SIZE,
}
PAGE = 20
LANGCHAIN_ROLES = {"human": "user", "ai": "assistant"}

Message = dict[str, str]


class Peer(Protocol):
    """A library: how it appends a message and reads the newest ones, oldest first."""

    async def open(self) -> None: ...

    async def append(self, session_id: str, message: Message) -> None: ...

    async def recent(self, session_id: str, limit: int) -> list[Message]: ...


class OpenAIAgents:
    def __init__(self, mongo_url: str, database: str) -> None:
        self._client: AsyncMongoClient[Any] = AsyncMongoClient(mongo_url, **OPTIONS)
        self._database = database

    async def open(self) -> None:
        """Do nothing: its first call makes the indexes."""

    async def append(self, session_id: str, message: Message) -> None:
        await self._session(session_id).add_items([message])

    async def recent(self, session_id: str, limit: int) -> list[Message]:
        items: list[Message] = await self._session(session_id).get_items(limit)
        return items

    def _session(self, session_id: str) -> Any:
        return MongoDBSession(session_id, client=self._client, database=self._database)


class LangChain:
    """Its calls block, so they run in threads, as LangChain itself runs them."""

    def __init__(self, mongo_url: str, database: str) -> None:
        self._client: MongoClient[Any] = MongoClient(mongo_url, **OPTIONS)
        self._database = database

    async def open(self) -> None:
        await run_in_threadpool(self._history, "any session", create_index=True)

    async def append(self, session_id: str, message: Message) -> None:
        await run_in_threadpool(self._append, session_id, message)

    async def recent(self, session_id: str, limit: int) -> list[Message]:
        return await run_in_threadpool(self._recent, session_id, limit)

    def _append(self, session_id: str, message: Message) -> None:
        kind = HumanMessage if message["role"] == "user" else AIMessage
        self._history(session_id).add_message(kind(message["content"]))

    def _recent(self, session_id: str, limit: int) -> list[Message]:
        messages = self._history(session_id, history_size=limit).messages
        return [{"role": LANGCHAIN_ROLES[m.type], "content": m.content} for m in messages]

    def _history(self, session_id: str, *, create_index: bool = False, **options: Any) -> Any:
        return MongoDBChatMessageHistory(
            None,
            session_id,
            self._database,
            client=self._client,
            create_index=create_index,
            **options,
        )


PEERS = {"langchain-mongodb": LangChain, "openai-agents": OpenAIAgents}


def create_app(name: str, mongo_url: str, database: str) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.peer = PEERS[name](mongo_url, database)
        await app.state.peer.open()
        yield

    return Starlette(routes=ROUTES, lifespan=lifespan)


async def append(request: Request) -> Response:
    user_of(request)
    message = orjson.loads(await request.body())
    await peer(request).append(request.path_params["session_id"], message)
    return reply("Session history updated successfully.")


async def recent(request: Request) -> Response:
    user_of(request)
    limit = int(request.query_params.get("limit", PAGE))
    data = await peer(request).recent(request.path_params["session_id"], limit)
    return reply("Recent session history retrieved successfully.", data=data)


def peer(request: Request) -> Peer:
    found: Peer = request.app.state.peer
    return found


def reply(message: str, **rest: Any) -> Response:
    return Response(orjson.dumps({"message": message, **rest}), media_type="application/json")


ROUTES = [
    Route("/history/update/{session_id}", append, methods=["POST"]),
    Route("/history/recent/{session_id}", recent),
]

if __name__ == "__main__":
    serve(create_app(*sys.argv[1:]))
