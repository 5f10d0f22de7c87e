"""Every 5xx tells programs whether their request may have been applied."""

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
def test_the_outcome_is_unchanged_if_surely_nothing_was_done(error: DomainError) -> None:
    assert headers_of(error)["Outcome"] == "unchanged"


def test_the_outcome_is_unknown_with_retry_after_if_the_change_may_have_been_applied() -> None:
    headers = headers_of(OutcomeUnknown())

    assert headers == {"Outcome": "unknown", "Retry-After": "2"}
