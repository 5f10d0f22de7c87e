"""A real sharded MongoDB accepts our collections, indexes and shard keys together.

The wheel has no `mongos`, but its `mongod` can run as a config server or a shard. Here they get
what `mongos` would send them, and check shard keys against unique indexes as in any cluster.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from service.devdb.mongod import find_mongod
from service.storage.driver import Sort
from service.storage.indexes import HISTORY, INDEXES, SESSIONS, TEXT_INDEX
from service.storage.users import USERS
from tests.storage.shard_keys import SHARD_KEYS

HOST = "127.0.0.1"
START_S = 30
STOP_S = 15
POLL_S = 0.05
MAJORITY = {"w": "majority"}

Server = MongoClient[dict[str, Any]]


class Cluster(NamedTuple):
    """A config server, and the only shard, which holds the database `sessions`."""

    config: Server
    shard: Server

    def make_index(self, collection: str, keys: Sort, options: dict[str, Any]) -> None:
        self.shard.sessions[collection].create_index(list(keys), **options)

    def shard_collection(self, collection: str, key: dict[str, Any]) -> None:
        version = self.shard.admin.command("getDatabaseVersion", "sessions")["dbVersion"]
        self.shard.sessions.command(
            "_shardsvrCreateCollection",
            collection,
            shardKey=key,
            databaseVersion=version,
            writeConcern=MAJORITY,
        )

    def shard_keys(self) -> dict[str, dict[str, Any]]:
        """Return the shard keys as the cluster itself reports them."""
        found = self.config.get_database("config").collections.find(
            {"_id": {"$regex": "^sessions"}}
        )
        return {entry["_id"].partition(".")[2]: entry["key"] for entry in found}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with (
        running(folder / "config", "--configsvr") as config,
        running(folder / "shard", "--shardsvr") as shard,
    ):
        member = shard.admin.command("hello")["me"]
        config.admin.command("_configsvrAddShard", f"shard/{member}", writeConcern=MAJORITY)
        config.admin.command(
            "_configsvrCreateDatabase", "sessions", primaryShardId="shard", writeConcern=MAJORITY
        )
        yield Cluster(config, shard)


@contextmanager
def running(folder: Path, role: str) -> Iterator[Server]:
    folder.mkdir()
    mongod, port = find_mongod(), free_port()
    options = ["--dbpath", folder, "--port", port, "--bind_ip", HOST, "--replSet", folder.name]
    log = ["--logpath", folder / "log", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
    command = [str(part) for part in (mongod, role, *options, *log)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        server: Server = MongoClient(HOST, port, directConnection=True, timeoutMS=START_S * 1000)
        try:
            become_primary(server, folder.name, f"{HOST}:{port}", is_config=role == "--configsvr")
            yield server
        finally:
            server.close()
            process.terminate()
            process.wait(STOP_S)


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def become_primary(server: Server, name: str, address: str, *, is_config: bool) -> None:
    members = [{"_id": 0, "host": address}]
    role = {"configsvr": True} if is_config else {}
    server.admin.command("replSetInitiate", {"_id": name, "members": members, **role})
    until_s = time.monotonic() + START_S
    while not server.admin.command("hello")["isWritablePrimary"]:
        assert time.monotonic() < until_s, f"{name} did not become primary"
        time.sleep(POLL_S)


def test_the_documented_shard_keys_work_with_all_of_our_indexes(cluster: Cluster) -> None:
    for index in [*INDEXES, TEXT_INDEX]:
        cluster.make_index(index.collection, index.keys, index.options)

    for collection, key in SHARD_KEYS.items():
        cluster.shard_collection(collection, key)

    assert SHARD_KEYS.keys() == {HISTORY, SESSIONS, USERS}
    assert cluster.shard_keys() == SHARD_KEYS


@pytest.mark.parametrize(
    ("collection", "key"),
    [
        (SESSIONS, {"user_id": "hashed", "_id": 1}),
        (SESSIONS, {"_id": "hashed"}),
        (HISTORY, {"_id": "hashed"}),
        (HISTORY, {"_id.s": "hashed", "_id.n": 1}),
    ],
)
def test_shard_keys_that_spread_further_would_break_a_promise(
    cluster: Cluster, collection: str, key: dict[str, Any]
) -> None:
    copy = f"{collection}_by_{'_'.join(key)}"
    for index in INDEXES:
        if index.collection == collection:
            cluster.make_index(copy, index.keys, index.options)

    with pytest.raises(OperationFailure, match="Uniqueness can't be maintained"):
        cluster.shard_collection(copy, key)
