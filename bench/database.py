"""The MongoDB of a run: embedded, new, and removed afterwards."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.contenders import ROOT
from bench.load import LoadFailed
from bench.stored import WrongData
from service.devdb.embedded import EmbeddedMongo


def on_embedded_mongo(measure: Callable[[str, Path], None]) -> None:
    """Run it with the URL of a new MongoDB and an empty folder; both are removed afterwards."""

    async def with_mongo(folder: Path) -> None:
        async with EmbeddedMongo(folder / "data") as mongo_url:
            await asyncio.to_thread(measure, mongo_url, folder)

    # Not in /tmp, which may be memory: a journal there would cost nothing.
    scratch = ROOT / ".data"
    scratch.mkdir(exist_ok=True)
    try:
        with TemporaryDirectory(prefix="bench-", dir=scratch) as folder:
            asyncio.run(with_mongo(Path(folder)))
    except (LoadFailed, WrongData) as error:
        sys.exit(f"The bench failed: {error}")
