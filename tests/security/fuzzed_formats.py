"""How Schemathesis generates texts in the formats that only this service has."""

import json

import schemathesis
from hypothesis import strategies as st

from service.domain.rules import MAX_NAME_CHARS

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=MAX_NAME_CHARS)
names = words.filter(bool)
arguments = words | st.dictionaries(words, words | st.integers(-(2**63), 2**63 - 1), max_size=3)
calls = st.fixed_dictionaries({"name": names}, optional={"arguments": arguments, "id": names}).map(
    json.dumps
)

schemathesis.openapi.format("function-call", calls)
