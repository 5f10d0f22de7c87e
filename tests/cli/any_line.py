"""Values for a field of a line, and whether each is read or clearly refused."""

from collections.abc import Callable

from hypothesis import strategies as st

from service.domain.errors import InvalidInput, TooLarge

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def is_refused_or_read(read: Callable[[bytes], object], text: bytes) -> bool:
    try:
        read(text)
    except (InvalidInput, TooLarge) as refusal:
        return bool(str(refusal))
    return True
