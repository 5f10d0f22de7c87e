"""Every 5xx tells programs whether what they asked for may have been done."""

import pytest

from service.api.kit.errors import headers_of
from service.auth.errors import KeysUnavailable
from service.domain.errors import (
    DomainError,
    ModelFailed,
    ModelNotConfigured,
    ModelTimeout,
    OutcomeUnknown,
    StoreBusy,
    StoreUnavailable,
)

UNCHANGED = [
    StoreUnavailable(),
    StoreBusy(),
    KeysUnavailable(),
    ModelNotConfigured(),
    ModelFailed(),
    ModelTimeout(1),
]


@pytest.mark.parametrize("error", UNCHANGED, ids=lambda error: error.code)
def test_what_was_surely_not_done_is_unchanged(error: DomainError) -> None:
    assert headers_of(error)["Outcome"] == "unchanged"


def test_what_may_have_been_done_is_unknown_and_may_be_tried_again_with_its_key() -> None:
    headers = headers_of(OutcomeUnknown())

    assert headers == {"Outcome": "unknown", "Retry-After": "2"}
