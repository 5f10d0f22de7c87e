"""The service a good engineer would write first: Starlette, Motor, python-jose.

An append and a read of messages are two calls each, everything else is one. Every cheap setting is
as good as the service's: indexes, write and read concern, pool, server, encoder.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import orjson
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel
from pymongo import DESCENDING, ReturnDocument
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.bearer import user_of
from bench.serving import POOL_SIZE, serve
from service.storage.indexes import INDEXES, SESSIONS

Document = dict[str, Any]

PAGE = 20
PREVIEW_CHARS = 200


class Message(BaseModel):
    role: Literal["user", "assistant", "system", "tool"]
    content: str


def create_app(mongo_url: str, database_name: str) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        client: Any = AsyncIOMotorClient(
            mongo_url,
            w="majority",
            journal=True,
            readConcernLevel="majority",
            maxPoolSize=POOL_SIZE,
            uuidRepresentation="standard",
        )
        app.state.database = client[database_name]
        await ensure_indexes(app.state.database)
        yield
        client.close()

    return Starlette(routes=ROUTES, lifespan=lifespan)


async def ensure_indexes(database: Any) -> None:
    history, sessions = database["history"], database["sessions"]
    await history.create_index([("session_id", 1), ("seq", 1)], unique=True)
    await history.create_index(
        [("session_id", 1), ("client_key", 1)],
        unique=True,
        partialFilterExpression={"client_key": {"$exists": True}},
    )
    for index in INDEXES:
        if index.collection == SESSIONS:
            await sessions.create_index(list(index.keys), name=index.name, **index.options)


async def create(request: Request) -> Response:
    now = datetime.now(UTC)
    session = {
        "_id": uuid4(),
        "user_id": user_of(request),
        "agent_id": request.query_params["agent_id"],
        "max_context_results": 1,
        "created_at": now,
        "last_active": now,
        "start": 1,
        "end": 0,
    }
    await sessions(request).insert_one(session)
    return reply("Chat session created successfully.", session_id=session["_id"])


async def append(request: Request) -> Response:
    own = own_session(request)
    message = Message.model_validate_json(await request.body())
    now = datetime.now(UTC)
    preview = {"role": message.role, "text": message.content[:PREVIEW_CHARS]}
    head = await sessions(request).find_one_and_update(
        own,
        {"$inc": {"end": 1}, "$set": {"last_active": now, "preview": preview}},
        projection={"end": 1},
        return_document=ReturnDocument.AFTER,
    )
    if head is None:
        return not_found()
    entry = {
        "session_id": own["_id"],
        "seq": head["end"],
        "id": uuid4(),
        "role": message.role,
        "content": message.content,
        "created_at": now,
    }
    await history(request).insert_one(entry)
    return reply("Session history updated successfully.")


async def recent(request: Request) -> Response:
    head = await sessions(request).find_one(own_session(request))
    if head is None:
        return not_found()
    data = await newest_messages(request, head)
    return reply("Recent session history retrieved successfully.", data=data)


async def details(request: Request) -> Response:
    head = await sessions(request).find_one(own_session(request))
    if head is None:
        return not_found()
    data = {**session_view(head), "history": await newest_messages(request, head)}
    return reply("Session details retrieved successfully.", data=data)


async def list_by_user(request: Request) -> Response:
    user_id = request.path_params["user_id"]
    if user_id != user_of(request):
        return reply("Failed to retrieve user sessions.", 403)
    newest = [("created_at", DESCENDING), ("_id", DESCENDING)]
    found = sessions(request).find({"user_id": user_id}, sort=newest, limit=limit_of(request))
    data = [session_view(head) for head in await found.to_list()]
    return reply("User sessions retrieved successfully.", data=data)


async def newest_messages(request: Request, head: Document) -> list[Document]:
    found = history(request).find(
        {"session_id": head["_id"]}, sort=[("seq", DESCENDING)], limit=limit_of(request)
    )
    entries = await found.to_list()
    return [{"role": e["role"], "content": e["content"]} for e in reversed(entries)]


def sessions(request: Request) -> Any:
    return request.app.state.database["sessions"]


def history(request: Request) -> Any:
    return request.app.state.database["history"]


def own_session(request: Request) -> Document:
    session_id: UUID = request.path_params["session_id"]
    return {"_id": session_id, "user_id": user_of(request)}


def limit_of(request: Request) -> int:
    return int(request.query_params.get("limit", PAGE))


def session_view(head: Document) -> Document:
    view = {
        "session_id": head["_id"],
        "agent_id": head["agent_id"],
        "user_id": head["user_id"],
        "created_at": time_view(head["created_at"]),
        "last_active": time_view(head["last_active"]),
        "message_count": head["end"] - head["start"] + 1,
        "max_context_results": head["max_context_results"],
    }
    return {**view, "preview": head["preview"]} if "preview" in head else view


def time_view(time: datetime) -> str:
    return f"{time.isoformat(timespec='milliseconds')}Z"


def reply(message: str, status: int = 200, **rest: Any) -> Response:
    body = orjson.dumps({"message": message, **rest})
    return Response(body, status, media_type="application/json")


def not_found() -> Response:
    return reply("There is no such session.", 404)


ROUTES = [
    Route("/create", create, methods=["POST"]),
    Route("/history/update/{session_id:uuid}", append, methods=["POST"]),
    Route("/history/recent/{session_id:uuid}", recent),
    Route("/get/{session_id:uuid}", details),
    Route("/get_all/{user_id}", list_by_user),
]

if __name__ == "__main__":
    serve(create_app(*sys.argv[1:]))
