"""The baseline: a session service that counts first, as several published stores do.

    python -m tests.faults.counter_first

An append takes its number by `$inc` on the head, then inserts the message there; there are no
idempotency keys, so a repeated append is stored again. All else is as good as in the service:
the native dialect on the wire (as the load and the reader at rest use it), settings, documents
and indexes, write and read concern, pool, retries and deadlines of the driver, and errors that
say whether anything was changed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import orjson
import uvicorn
from bson import Binary
from jose import JWTError, jwt
from pymongo import DESCENDING, ReturnDocument
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from config.settings import Settings
from service.api.dialects.native.shapes import MessageBody
from service.api.dialects.native.views import message_view, session_view
from service.databases import database_name
from service.domain.models import Message, Session, preview_of
from service.domain.window import Window, seqs_in
from service.storage import driver
from service.storage.documents import from_head, in_log, messages_in, to_entry, to_head
from service.storage.indexes import HISTORY, SESSIONS, ensure_indexes

REQUEST_TIMEOUT_S = 20
RETRY_AFTER_S = 2
MAX_SESSIONS = 100

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(settings: Settings) -> Starlette:
    assert settings.mongo_url is not None
    assert settings.jwt_secret is not None
    mongo_url = settings.mongo_url.get_secret_value()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        client = driver.connect(settings, mongo_url)
        app.state.database = client[database_name(settings)]
        await ensure_indexes(app.state.database)
        yield
        await driver.close(client)

    handlers: dict[Any, Any] = {
        HTTPException: _refused,
        PyMongoError: _failed,
        TimeoutError: _failed,
    }
    app = Starlette(routes=ROUTES, lifespan=lifespan, exception_handlers=handlers)
    app.state.secret = settings.jwt_secret.get_secret_value()
    return app


def timely(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            return await endpoint(request)

    return answer


# Endpoints


async def create(request: Request) -> Response:
    query = request.query_params
    session = Session(user_id=user_of(request), agent_id=query["agent_id"], key=query.get("key"))
    await collection(request, SESSIONS).insert_one(to_head(session))
    return reply("Chat session created successfully.", session_id=session.id)


async def append(request: Request) -> Response:
    new = MessageBody.model_validate_json(await request.body()).to_domain(None)
    message = Message(**dict(new))
    head = await collection(request, SESSIONS).find_one_and_update(
        own(request),
        {
            "$inc": {"end": 1},
            "$set": {"preview": preview_of(message).model_dump(mode="json")},
            "$max": {"last_active": message.created_at},
        },
        return_document=ReturnDocument.AFTER,
    )
    if head is None:
        raise HTTPException(404)
    numbered = message.model_copy(update={"seq": head["end"]})
    await collection(request, HISTORY).insert_one(to_entry(id_of(request), [numbered]))
    return reply("Session history updated successfully.")


async def delete(request: Request) -> Response:
    if await collection(request, SESSIONS).find_one_and_delete(own(request)) is None:
        raise HTTPException(404)
    await collection(request, HISTORY).delete_many({"_id.s": Binary.from_uuid(id_of(request))})
    return reply("Chat session deleted successfully.")


async def history(request: Request) -> Response:
    _, messages = await read(request, newest=False)
    return reply("Session history retrieved successfully.", data=messages)


async def recent(request: Request) -> Response:
    _, messages = await read(request, newest=True)
    return reply("Recent session history retrieved successfully.", data=messages)


async def details(request: Request) -> Response:
    session, messages = await read(request, newest=True)
    data = {**session_view(session), "history": messages}
    return reply("Session details retrieved successfully.", data=data)


async def list_by_user(request: Request) -> Response:
    user_id = request.path_params["user_id"]
    if user_id != user_of(request):
        raise HTTPException(403)
    newest = [("created_at", DESCENDING), ("_id", DESCENDING)]
    found = collection(request, SESSIONS).find(
        {"user_id": user_id}, sort=newest, limit=MAX_SESSIONS
    )
    data = [session_view(from_head(head)) for head in await found.to_list(None)]
    return reply("User sessions retrieved successfully.", data=data)


async def ready(request: Request) -> Response:
    await request.app.state.database.command("ping")
    return reply("ready")


# What they share


async def read(request: Request, *, newest: bool) -> tuple[Session, list[dict[str, Any]]]:
    head = await collection(request, SESSIONS).find_one(own(request))
    if head is None:
        raise HTTPException(404)
    session, query = from_head(head), request.query_params
    limit, skip = int(query.get("limit", 20)), int(query.get("skip", 0))
    seqs = seqs_in(Window(limit=limit, skip=skip, newest=newest), session)
    found = collection(request, HISTORY).find(in_log(session.id, seqs), sort=[("_id", 1)])
    messages = [m for entry in await found.to_list(None) for m in messages_in(entry)]
    return session, [{**message_view(message, frozenset({"seq"}))} for message in messages]


def collection(request: Request, name: str) -> Any:
    return request.app.state.database[name]


def own(request: Request) -> dict[str, Any]:
    return {"_id": Binary.from_uuid(id_of(request)), "user_id": user_of(request)}


def id_of(request: Request) -> UUID:
    found: UUID = request.path_params["session_id"]
    return found


def user_of(request: Request) -> str:
    _, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        return str(jwt.decode(token, request.app.state.secret, algorithms=["HS256"])["sub"])
    except JWTError:
        raise HTTPException(401) from None


def reply(message: str, **rest: Any) -> Response:
    return Response(orjson.dumps({"message": message, **rest}), media_type="application/json")


async def _refused(_: Request, error: HTTPException) -> Response:
    body = orjson.dumps({"message": "Failed.", "error": error.detail})
    return Response(body, error.status_code, media_type="application/json")


async def _failed(_: Request, error: Exception) -> Response:
    is_unchanged = isinstance(error, ServerSelectionTimeoutError)
    headers = {
        "Retry-After": str(RETRY_AFTER_S),
        "Outcome": "unchanged" if is_unchanged else "unknown",
    }
    body = orjson.dumps({"message": "Failed.", "error": "The database is away."})
    return Response(body, 503, headers, media_type="application/json")


ROUTES = [
    Route("/readyz", ready),
    Route("/create", timely(create), methods=["POST"]),
    Route("/delete/{session_id:uuid}", timely(delete), methods=["DELETE"]),
    Route("/history/{session_id:uuid}", timely(history)),
    Route("/history/update/{session_id:uuid}", timely(append), methods=["POST"]),
    Route("/history/recent/{session_id:uuid}", timely(recent)),
    Route("/get/{session_id:uuid}", timely(details)),
    Route("/get_all/{user_id}", timely(list_by_user)),
]


def main() -> None:
    settings = Settings(_env_file=None)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )


if __name__ == "__main__":
    main()
