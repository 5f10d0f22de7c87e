"""The shard keys as docs/scaling.md states them."""

import json
import re
from pathlib import Path

DOCUMENT = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text()
COMMAND = re.compile(r'^sh\.shardCollection\("sessions\.(\w+)", (\{.*\})\)$', re.MULTILINE)
SHARD_KEYS: dict[str, dict[str, object]] = {
    collection: json.loads(key) for collection, key in COMMAND.findall(DOCUMENT)
}


def shard_field(collection: str) -> str:
    """Return the one field that determines the shard of a document."""
    (field,) = SHARD_KEYS[collection]
    return field
