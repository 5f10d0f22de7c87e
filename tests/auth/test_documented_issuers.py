"""The tokens of docs/tokens.md are accepted with the settings above them, as the page states."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from config.settings import Settings
from service.auth.claims import ClaimRules
from service.auth.configured import authenticator_for
from service.auth.errors import Reason
from tests.auth.signing import NOW_S, SECRET, FakeClock, bearer, hs256, signed

PAGE = (Path(__file__).parents[2] / "docs" / "tokens.md").read_text()
SECTIONS = PAGE.partition("## Issuers")[2].partition("## Tokens of your own")[0].split("\n### ")[1:]


class Example(NamedTuple):
    issuer: str
    settings: dict[str, Any]
    user: str
    scopes: frozenset[str]
    claims: dict[str, Any]


def example_in(section: str) -> Example:
    [lines] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    [payload] = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    settings = dict(re.findall(r"^SESSIONS_(\w+)=(.*)$", lines, re.MULTILINE))
    [(user, scopes)] = re.findall(r"# user: (\S+)\s+scopes: (.*)", lines)
    issuer = section.partition("\n")[0]
    return Example(issuer, settings, user, frozenset(scopes.split()), json.loads(payload))


EXAMPLES = [example_in(section) for section in SECTIONS]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.issuer)
async def test_an_issuers_token_gives_the_user_and_scopes_that_the_page_states(
    example: Example,
) -> None:
    # The same rules with our own key: only the issuer has its key.
    rules = {k.lower(): v for k, v in example.settings.items() if k.startswith("JWT_")}
    rules = {name: value for name, value in rules.items() if name != "jwt_algorithms"}
    settings = Settings(_env_file=None, jwt_secret=SECRET, **rules)
    authenticator = authenticator_for(settings, clock=FakeClock(NOW_S + 1))

    token = signed({"alg": "HS256", "typ": "JWT"}, example.claims, hs256())
    caller = await authenticator.caller(bearer(token))

    assert (caller.user_id, caller.scopes) == (example.user, example.scopes)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.issuer)
def test_the_settings_of_each_issuer_are_valid(example: Example) -> None:
    named: dict[str, Any] = {name.lower(): value for name, value in example.settings.items()}

    # Raises a ConfigurationError if they do not fit together.
    authenticator_for(Settings(_env_file=None, **named))


def test_the_page_has_the_five_issuers_and_every_reason() -> None:
    assert [example.issuer for example in EXAMPLES] == [
        "Auth0",
        "Keycloak",
        "Clerk",
        "Microsoft Entra ID",
        "Supabase",
    ]
    reasons = PAGE.partition("## What a 401 means")[2]
    assert [reason for reason in Reason if f"`{reason}`" not in reasons] == []
    assert ClaimRules().user_claim == "sub"
