"""What messages of a run say: each body is unique, and its canary names its owner."""

import re
from hashlib import blake2b
from random import Random

import orjson

_CANARY = re.compile(rb"canary:([a-z0-9-]+):\d+;")
_WORDS = ("sun", "Straße", "山水", "🙂", "line\nbreak", '"quoted"', "a\\b", "é", "\tTab")
MAX_WORDS = 40


def body_of(user: str, number: int, random: Random) -> str:
    """Return a text that no other number of the run has, with what encoders stumble over."""
    words = random.choices(_WORDS, k=random.randint(0, MAX_WORDS))
    return " ".join([f"canary:{user}:{number};", *words])


def hash_of(content: object) -> str:
    """Return what the record keeps of a body: two bodies that differ in a byte differ here."""
    return blake2b(orjson.dumps(content), digest_size=8).hexdigest()


def owners_in(answer: bytes) -> tuple[str, ...]:
    """Return whose canaries are anywhere in an answer."""
    return tuple(sorted({owner.decode() for owner in _CANARY.findall(answer)}))
