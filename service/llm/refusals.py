"""What a model server says when it refuses, made fit to be shown to a caller."""

import re

MAX_SHOWN_CHARS = 300
HIDDEN = "[hidden]"
# Things that unlock something: keys by their usual prefixes, tokens, credentials in a URL, and
# anything long that no one would write by hand.
_SECRETS = re.compile(
    r"""
    \bBearer\s+\S+
  | (?<=://)[^\s/@]+@
  | \b(?:sk|pk|rk|gsk|xai|hf|key|org|proj|AIza)[-_][\w*.-]{4,}
  | \bAIza[\w-]{10,}
  | \beyJ[\w-]{8,}(?:\.[\w-]*)*
  | (?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[\w+/=-]{24,}
    """,
    re.VERBOSE | re.IGNORECASE,
)


def shown(text: object, *secrets: str | None) -> str:
    """Return at most `MAX_SHOWN_CHARS` of a text in one line, with all secrets hidden."""
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    for secret in filter(None, secrets):
        line = line.replace(secret, HIDDEN)
    line = _SECRETS.sub(HIDDEN, line)
    return line if len(line) <= MAX_SHOWN_CHARS else f"{line[: MAX_SHOWN_CHARS - 1]}…"
