"""Chats on a real MongoDB, with a scripted model on a real port."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from config.settings import Settings
from service.domain.access import Caller
from service.domain.chat.chat import Chat
from service.domain.models import NewSession, Session
from service.domain.sessions import Sessions
from service.llm.configured import model_for
from service.llm.scripted import Script
from service.llm.templates import SandboxedTemplates
from service.storage.mongo import MongoSessionStore
from tests.contract.building import opened_store
from tests.databases import connected, fresh_database
from tests.scripted import ScriptedModel, scripted_server

NewSessions = Callable[..., Awaitable[Session]]


@pytest.fixture(scope="session")
async def scripted() -> AsyncIterator[ScriptedModel]:
    async with scripted_server() as scripted:
        yield scripted


@pytest.fixture
def script(scripted: ScriptedModel) -> Script:
    return scripted.begin()


@pytest.fixture(scope="session")
async def store(mongo_url: str) -> AsyncIterator[MongoSessionStore]:
    async with (
        connected("pymongo", mongo_url) as client,
        fresh_database(client) as database,
        opened_store(database, text_search=True) as store,
    ):
        yield store


@pytest.fixture
def sessions(store: MongoSessionStore) -> Sessions:
    return Sessions(store)


@pytest.fixture
async def chat(sessions: Sessions, scripted: ScriptedModel, script: Script) -> AsyncIterator[Chat]:
    settings = Settings(
        _env_file=None,
        llm_base_url=scripted.url,
        llm_model="small",
        llm_timeout_s=5,
        llm_max_retries=0,
    )
    async with model_for(settings, demo=False) as model:
        yield Chat(sessions, model, SandboxedTemplates())


@pytest.fixture
async def searching_chat(
    sessions: Sessions, scripted: ScriptedModel, script: Script
) -> AsyncIterator[Chat]:
    settings = Settings(_env_file=None, llm_base_url=scripted.url, llm_model="small")
    async with model_for(settings, demo=False) as model:
        yield Chat(sessions, model, SandboxedTemplates(), searches=True)


@pytest.fixture
def alice() -> Caller:
    """Return a caller no other test has."""
    return Caller(user_id=f"alice-{uuid4().hex}")


@pytest.fixture
def new_session(sessions: Sessions, alice: Caller) -> NewSessions:
    async def create(**settings: Any) -> Session:
        return await sessions.create(alice, NewSession(agent_id="guide", **settings))

    return create
