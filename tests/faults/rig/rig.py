"""All of the rig for one fault: the replica set, services with a scripted model, one database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import uuid4

from tests.faults.rig.replica_set import ReplicaSet
from tests.faults.rig.service import Service, services, settings_for
from tests.scripted import scripted_server


@dataclass
class Rig:
    """What faults are injected into. `database` is new; `random` follows from the seed."""

    replicas: ReplicaSet
    folder: Path
    seed: int
    random: Random
    database: str

    @asynccontextmanager
    async def services(
        self,
        count: int = 2,
        *,
        mongo_url: str | None = None,
        command: list[str] | None = None,
        **settings: str,
    ) -> AsyncIterator[list[Service]]:
        """Run services on the database until the block ends."""
        async with scripted_server() as model:
            chat = {"SESSIONS_LLM_BASE_URL": model.url, "SESSIONS_LLM_MODEL": "scripted"}
            url = mongo_url or self.replicas.url
            complete = settings_for(url, self.database, **chat | settings)
            async with services(self.folder, count, complete, command) as running:
                yield running


def rig_on(replicas: ReplicaSet, folder: Path, seed: int) -> Rig:
    # The database's name is not part of what is replayed.
    return Rig(replicas, folder, seed, Random(seed), f"faults_{uuid4().hex}")
