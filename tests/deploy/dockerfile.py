"""The Dockerfile, instruction by instruction."""

import re
from typing import NamedTuple

from tests.deploy.manifests import ROOT


class Instruction(NamedTuple):
    name: str
    value: str


def instructions() -> list[Instruction]:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if line and not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", text)
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines()]


def stages() -> dict[str, list[Instruction]]:
    """Return the instructions of each stage, by its name."""
    found: dict[str, list[Instruction]] = {}
    for instruction in instructions():
        if instruction.name == "FROM":
            found[instruction.value.split(" AS ")[1]] = []
        list(found.values())[-1].append(instruction)
    return found


def values(stage: str, name: str) -> list[str]:
    return [instruction.value for instruction in stages()[stage] if instruction.name == name]
