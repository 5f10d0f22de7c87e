"""Random changes to good tokens: to their text, and to what is signed with the right key."""

import json
import random
from collections.abc import Callable
from typing import Any

from tests.auth.signing import NOW_S, Signer, claims, encoded, signed

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.5, 10**12, 10**30, 1e300, "", "a", "JWT", "at+jwt", "HS256",
    "RS256", "ES256", "none", "https://id.example", "sessions", "\x00", "\ud800", "x" * 300,
    [], ["sessions"], ["a", 1], {}, {"a": 1}, NOW_S, NOW_S - 11, NOW_S - 10, NOW_S - 9,
    NOW_S + 9, NOW_S + 10, NOW_S + 11, NOW_S + 60, NOW_S + 0.5, str(NOW_S + 60),
)  # fmt: skip
CLAIMS = ("sub", "exp", "nbf", "iat", "iss", "aud", "jti", "scope", "scopes", "scp", "other")
HEADERS = (
    "alg", "typ", "cty", "kid", "crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c", "x5t",
    "x5t#S256", "other",
)  # fmt: skip
LETTERS = "ABCXYZabcxyz019-_.=+/ \n\x00é{}"
TEXTS = (
    b"NaN", b"1e999", b"-Infinity", b"[", b"]", b"{", b"}", b'"', b",", b"\xff", b"\\", b" ", b"0",
)  # fmt: skip


class Mutator:
    """Makes tokens that are good, or nearly so; the same seed makes the same ones."""

    def __init__(self, alg: str, signer: Signer, seed: int) -> None:
        self._alg = alg
        self._signer = signer
        self._random = random.Random(seed)
        self._last = self._good()

    def token(self) -> str:
        ways: tuple[Callable[[], str], ...] = (
            self._good,
            self._with_changed_claims,
            self._with_changed_header,
            self._with_changed_bytes,
            self._with_changed_letters,
            self._with_a_part_of_another,
        )
        made = self._random.choices(ways, weights=(1, 6, 4, 3, 4, 1))[0]()
        self._last = made
        return made

    def _good(self) -> str:
        return signed(self._header(), self._claims(), self._signer)

    def _header(self) -> dict[str, Any]:
        return {"alg": self._alg, "typ": self._random.choice(["JWT", "jwt", "at+jwt"])}

    def _claims(self) -> dict[str, Any]:
        sub = str(self._random.random())
        return claims(sub=sub, iss="https://id.example", aud="sessions")

    def _changed(self, values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        changed = dict(values)
        for _ in range(self._random.choice([1, 1, 2])):
            name = self._random.choice(names)
            changed.pop(name, None)
            if self._random.random() < 0.8:
                changed[name] = self._random.choice(VALUES)
        return changed

    def _with_changed_claims(self) -> str:
        return signed(self._header(), self._changed(self._claims(), CLAIMS), self._signer)

    def _with_changed_header(self) -> str:
        return signed(self._changed(self._header(), HEADERS), self._claims(), self._signer)

    def _with_changed_bytes(self) -> str:
        """Change the JSON text of a part, and sign that."""
        parts = [encoded(self._header()), json.dumps(self._claims()).encode()]
        which = self._random.randrange(2)
        at = self._random.randrange(len(parts[which]) + 1)
        skipped = self._random.choice([0, 0, 1, 3])
        text = self._random.choice(TEXTS)
        parts[which] = parts[which][:at] + text + parts[which][at + skipped :]
        return signed(parts[0], parts[1], self._signer)

    def _with_changed_letters(self) -> str:
        token = self._good()
        for _ in range(self._random.choice([1, 1, 1, 2, 5])):
            at = self._random.randrange(len(token) + 1)
            letter = self._random.choice([*LETTERS, ""])
            token = token[:at] + letter + token[at + self._random.choice([0, 1]) :]
        return token

    def _with_a_part_of_another(self) -> str:
        parts, others = self._good().split("."), self._last.split(".")
        which = self._random.randrange(3)
        parts[which] = self._random.choice(others)
        return ".".join(parts)
