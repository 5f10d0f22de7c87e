"""The settings of the chat model."""

from typing import Any

import pytest
from pydantic import ValidationError

from config.settings import Settings

URL = "https://models.example/v1"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"llm_base_url": URL}, "Set both SESSIONS_LLM_BASE_URL and SESSIONS_LLM_MODEL"),
        ({"llm_model": "small"}, "Set both SESSIONS_LLM_BASE_URL and SESSIONS_LLM_MODEL"),
        ({"llm_base_url": "ftp://models", "llm_model": "small"}, "pattern"),
        ({"llm_timeout_s": 0}, "greater than 0"),
        ({"llm_max_retries": 11}, "less than or equal to 10"),
        ({"text_search": "perhaps"}, "valid boolean"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Settings(_env_file=None, **values)


def test_the_key_of_the_model_is_not_shown() -> None:
    settings = Settings(_env_file=None, llm_api_key="very secret")

    assert "very secret" not in repr(settings)
