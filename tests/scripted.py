"""The scripted model on a real port of this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from service.llm.scripted import Script, scripted_model
from tests.served import served


@dataclass(frozen=True)
class ScriptedModel:
    url: str
    script: Script

    def begin(self) -> Script:
        """Return the script, as if nothing had happened before."""
        self.script.steps.clear()
        self.script.requests.clear()
        self.script.hang_ups = 0
        return self.script


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedModel]:
    script = Script()
    async with served(scripted_model(script)) as url:
        yield ScriptedModel(f"{url}/v1", script)
