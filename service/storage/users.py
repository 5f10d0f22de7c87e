"""The profiles of users on MongoDB: one document each, `users {_id: user id, …}`.

The user's id is the primary key, so no further index is needed and no profile is ever double.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC

import orjson
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from service.domain.access import EVERYBODY, Reach
from service.domain.errors import StoreUnavailable, UserNotFound
from service.domain.models import JsonObject, User, utc_now
from service.storage.driver import Database, Document
from service.storage.errors import changing
from service.storage.reads import Reads
from service.storage.scanning import scanned

USERS = "users"
MAX_ROUNDS = 10


class MongoUserStore:
    """Keeps what the UserStore port promises."""

    def __init__(self, database: Database) -> None:
        self._users = database[USERS]
        self._reads = Reads(database)

    async def get_or_create(self, user: User) -> User:
        for _ in range(MAX_ROUNDS):
            with suppress(UserNotFound):
                return await self.get(EVERYBODY, user.id)
            with changing(), suppress(DuplicateKeyError):
                await self._users.insert_one(_to_profile(user))
                return user
        raise StoreUnavailable("Too many changes to this user at the same time.")

    async def get(self, reach: Reach, user_id: str) -> User:
        wanted = _profile_of(user_id, reach)
        return _found(await self._reads.run(lambda: self._users.find_one(wanted)))

    async def select(self, reach: Reach, *, limit: int, skip: int) -> list[User]:
        selected = _in_reach(reach)
        profiles = await self._reads.run(
            lambda: self._users.find(selected, sort=[("_id", 1)], skip=skip, limit=limit).to_list()
        )
        return [_from_profile(profile) for profile in profiles]

    async def scan(self, reach: Reach) -> AsyncIterator[User]:
        async for profile in scanned(self._users, _in_reach(reach), self._reads):
            yield _from_profile(profile)

    async def count(self, reach: Reach) -> int:
        selected = _in_reach(reach)
        return await self._reads.run(lambda: self._users.count_documents(selected))

    async def set_metadata(self, reach: Reach, user_id: str, metadata: JsonObject) -> User:
        changed = {"metadata": _to_json_text(metadata), "updated_at": utc_now()}
        with changing():
            profile = await self._users.find_one_and_update(
                _profile_of(user_id, reach), {"$set": changed}, return_document=ReturnDocument.AFTER
            )
        return _found(profile)

    async def delete(self, reach: Reach, user_id: str) -> None:
        with changing():
            await self._users.delete_one(_profile_of(user_id, reach))


def _to_profile(user: User) -> Document:
    profile = {
        "_id": user.id,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    }
    return (
        profile if user.metadata is None else profile | {"metadata": _to_json_text(user.metadata)}
    )


def _from_profile(profile: Document) -> User:
    metadata = profile.get("metadata")
    return User.model_construct(
        id=profile["_id"],
        metadata=None if metadata is None else orjson.loads(metadata),
        created_at=profile["created_at"].replace(tzinfo=UTC),
        updated_at=profile["updated_at"].replace(tzinfo=UTC),
    )


def _found(profile: Document | None) -> User:
    if profile is None:
        raise UserNotFound
    return _from_profile(profile)


def _to_json_text(metadata: JsonObject) -> str:
    # As text it comes back exactly as it was sent, and no key can mean something to MongoDB.
    return orjson.dumps(metadata).decode()


def _profile_of(user_id: str, reach: Reach) -> Document:
    return {"_id": user_id, **_in_reach(reach)}


def _in_reach(reach: Reach) -> Document:
    return {} if reach.user_id is None else {"$and": [{"_id": reach.user_id}]}
