"""Real conversations if they are available, else generated ones with the same traits."""

import json
import random
from pathlib import Path
from typing import Any

REAL = Path(__file__).parents[2] / "shared" / "data" / "dialogues.jsonl"
WORDS = ["table", "für", "два", "人", "🙂", "a\nb", '"quoted"', "e\u0301", "\\", "{}"]

Dialogue = dict[str, Any]


def dialogues(count: int) -> list[Dialogue]:
    """Return conversations without an owner: `dialogue_id`, `services` and `messages`."""
    if REAL.exists():
        lines = REAL.read_text().splitlines()
        return [json.loads(line) for line in lines[:: max(1, len(lines) // count)][:count]]
    source = random.Random(2026)
    return [_generated(source, number) for number in range(count)]


def _generated(source: random.Random, number: int) -> Dialogue:
    exchanges = range(source.randint(1, 8))
    return {
        "dialogue_id": f"generated-{number}",
        "services": [f"service-{number % 5}"],
        "messages": [message for n in exchanges for message in _exchange(source, n)],
    }


def _exchange(source: random.Random, n: int) -> list[Dialogue]:
    def text() -> str:
        return " ".join(source.choices(WORDS, k=source.randint(1, 40)))

    call = {"id": f"call_{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return [
        {"role": "user", "content": text()},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": text()},
        {"role": "assistant", "content": text()},
    ]
