"""Text of a model, made fit to be passed on and stored."""

import re
from typing import Any

REPLACEMENT = "\ufffd"
# Half of a surrogate pair has no UTF-8, and MongoDB's text search takes no NUL.
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_FIRST_HALF = re.compile("[\ud800-\udbff]$")


def fit(text: str) -> str:
    """Return the text with surrogate pairs joined, and U+FFFD for lone surrogates and for NUL."""
    if text.isascii() and "\x00" not in text:
        return text
    if not _UNFIT.search(text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined.replace("\x00", REPLACEMENT)


def fit_json(value: Any) -> Any:
    """Return a JSON value whose texts and keys are all fit."""
    if isinstance(value, str):
        return fit(value)
    if isinstance(value, list):
        return [fit_json(item) for item in value]
    if isinstance(value, dict):
        return {fit(key): fit_json(item) for key, item in value.items()}
    return value


class TextStream:
    """A text that comes in pieces: the halves of a character may be in two of them."""

    def __init__(self) -> None:
        self._held = ""
        self._pieces: list[str] = []

    def add(self, piece: str) -> str:
        """Return what can be passed on now: a first half at the end waits for the second."""
        text = self._held + piece
        first_half = _FIRST_HALF.search(text)
        self._held = first_half.group() if first_half else ""
        return self._keep(fit(text.removesuffix(self._held)))

    def end(self) -> str:
        """Return what is still held back."""
        held, self._held = self._held, ""
        return self._keep(fit(held))

    @property
    def text(self) -> str:
        """Return everything that was passed on."""
        return "".join(self._pieces)

    def _keep(self, piece: str) -> str:
        self._pieces.append(piece)
        return piece
