"""The commands a driver sends, and how MongoDB executes them."""

from collections.abc import Iterator
from typing import Any

from pymongo import MongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

Command = dict[str, Any]

FROM_THE_CLIENT = ("lsid", "$clusterTime", "$db", "$readPreference", "txnNumber", "maxTimeMS")
OF_THE_STORE = ("find", "aggregate", "update", "insert", "delete", "findAndModify")


class SentCommands(CommandListener):
    """Keeps the commands of the store, in the order they are sent."""

    def __init__(self) -> None:
        self._commands: list[Command] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in OF_THE_STORE:
            self._commands.append(dict(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass

    def take(self) -> list[Command]:
        """Return the commands sent since the last call."""
        taken, self._commands = self._commands, []
        return taken


def filters_of(command: Command) -> list[Command]:
    """Return the filters of a command, one for each of its statements."""
    if "filter" in command:
        return [command["filter"]]
    if "query" in command:
        return [command["query"]]
    if "pipeline" in command:
        return [pipeline[0]["$match"] for pipeline in pipelines_of(command)]
    statements: list[Command] = command.get("updates") or command.get("deletes") or []
    return [statement["q"] for statement in statements]


def pipelines_of(command: Command) -> list[list[Command]]:
    """Return the pipeline of an aggregation, and the pipelines joined to it."""
    first: list[Command] = [stage for stage in command["pipeline"] if "$unionWith" not in stage]
    unions = (stage.get("$unionWith") for stage in command["pipeline"])
    return [first, *(union["pipeline"] for union in unions if union)]


class Explained:
    """How MongoDB executes a command: stages, indexes, and what it examines."""

    def __init__(self, client: MongoClient[Command], database: str, command: Command) -> None:
        own = {field: value for field, value in command.items() if field not in FROM_THE_CLIENT}
        for field in ("readConcern", "writeConcern"):
            own.pop(field, None)
        answer = client[database].command(
            {"explain": own, "verbosity": "executionStats"}, check=True
        )
        finding = answer["stages"][0]["$cursor"] if "stages" in answer else answer
        self._statistics: Command = finding["executionStats"]

    @property
    def keys_examined(self) -> int:
        return int(self._statistics["totalKeysExamined"])

    @property
    def docs_examined(self) -> int:
        return int(self._statistics["totalDocsExamined"])

    @property
    def stages(self) -> set[str]:
        return {stage["stage"] for stage in self._walk()}

    @property
    def indexes(self) -> set[str]:
        return {stage["indexName"] for stage in self._walk() if "indexName" in stage}

    def _walk(self) -> Iterator[Command]:
        below: list[Command] = [self._statistics["executionStages"]]
        while below:
            stage = below.pop()
            yield stage
            below += stage.get("inputStages", [])
            below += [stage[name] for name in ("inputStage", "innerStage") if name in stage]
