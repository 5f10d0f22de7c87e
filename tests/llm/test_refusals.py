"""What a model server says is shown to callers in one line, without secrets."""

import pytest

from service.llm.refusals import HIDDEN, MAX_SHOWN_CHARS, shown


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdef1234567890",
        "sk-ab**********wxyz",
        "Bearer abc.def.ghi",
        "https://user:pass@host/path",
        "org-a1B2c3D4e5",
        "AIzaSyA1234567890abcdefg",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "0123456789abcdef0123456789abcdef",
    ],
)
def test_secrets_are_hidden(secret: str) -> None:
    text = shown(f"Refused for {secret} today.")

    assert HIDDEN in text
    assert secret not in text
    assert text.endswith("today.")


def test_the_configured_key_is_hidden_whatever_it_looks_like() -> None:
    assert shown("The key letmein is wrong.", "letmein", None) == f"The key {HIDDEN} is wrong."


@pytest.mark.parametrize(
    "plain",
    [
        "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens'.",
        "This model's maximum context length is 128000 tokens, but you sent 130001.",
        "messages.3.content: field required; see https://docs.example.com/errors",
        "Antidisestablishmentarianism is one long word.",
    ],
)
def test_ordinary_words_stay(plain: str) -> None:
    assert shown(plain) == plain


def test_it_is_one_line_of_bounded_length() -> None:
    text = shown("a\r\n\x1b[31mb\x00 c " * 100)

    assert len(text) == MAX_SHOWN_CHARS
    assert text.isprintable()
    assert text.startswith("a [31mb c")


@pytest.mark.parametrize("nothing", [None, 5, {"a": 1}, "", " \n"])
def test_only_text_is_shown(nothing: object) -> None:
    assert shown(nothing) == ""
