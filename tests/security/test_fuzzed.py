"""A short run of `make fuzz`."""

from pathlib import Path

import pytest

from tests.security.fuzzing import fuzz


@pytest.mark.timeout(900)  # Under a minute on an idle machine.
def test_answers_to_thousands_of_made_up_requests_are_what_the_document_says(
    tmp_path: Path,
) -> None:
    outcome = fuzz(tmp_path, examples=1, seed=6)

    assert outcome.failures == 0, outcome.told
    assert outcome.cases > 2000
