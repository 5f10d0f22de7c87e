"""The bodies of a run's messages: each is unique, and its canary names its owner."""

import re
from hashlib import blake2b
from random import Random

import orjson

_CANARY = re.compile(rb"canary:([a-z0-9-]+):\d+;")
_WORDS = ("sun", "Straße", "山水", "🙂", "line\nbreak", '"quoted"', "a\\b", "é", "\tTab")
MAX_WORDS = 40


def body_of(user: str, number: int, random: Random) -> str:
    """Return a text unique to this number in the run, with characters that encoders trip over."""
    words = random.choices(_WORDS, k=random.randint(0, MAX_WORDS))
    return " ".join([f"canary:{user}:{number};", *words])


def hash_of(content: object) -> str:
    """Return what the record keeps of a body; if two bodies differ in a byte, it differs."""
    return blake2b(orjson.dumps(content), digest_size=8).hexdigest()


def owners_in(answer: bytes) -> tuple[str, ...]:
    """Return the owners whose canaries are anywhere in a response."""
    return tuple(sorted({owner.decode() for owner in _CANARY.findall(answer)}))
