"""A short run of `make fuzz`; only at night also at the other mounts of the same endpoints."""

from pathlib import Path

import pytest

from tests.security.fuzzing import AT_OTHER_MOUNTS, fuzz
from tests.sizes import sized


@pytest.mark.timeout(900)  # Under a minute on an idle machine.
def test_responses_to_thousands_of_generated_requests_match_the_document(
    tmp_path: Path,
) -> None:
    outcome = fuzz(tmp_path, examples=1, seed=6, without=sized(AT_OTHER_MOUNTS, nightly=[]))

    assert outcome.failures == 0, outcome.told
    assert outcome.cases > 2000
