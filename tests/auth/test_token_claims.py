from typing import Any

import pytest

from service.auth.claims import MAX_LIFETIME_S, ClaimRules
from service.auth.keys import ConfiguredKeys, Key
from service.auth.tokens import Authenticator
from service.domain.access import Caller
from service.domain.errors import Unauthenticated
from tests.auth.signing import ABSENT, NOW_S, SECRET, FakeClock, bearer, hs256, hs256_token, signed

LEEWAY_S = 10
NUMBERS_THAT_ARE_NO_DATES = ["1800003600", True, None, [], {}, -1, 10**12, 10**400, 1e300]


def asking_for(**rules: Any) -> Authenticator:
    key = ConfiguredKeys(Key(SECRET.encode()))
    return Authenticator(key, ["HS256"], ClaimRules(**rules), clock=FakeClock())


def for_sessions() -> Authenticator:
    return asking_for(audiences=frozenset({"sessions"}))


async def reason(authenticator: Authenticator, token: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await authenticator.caller(bearer(token))
    return refusal.value.reason


@pytest.mark.parametrize("claim", ["exp", "sub"])
async def test_exp_and_sub_are_compulsory(authenticator: Authenticator, claim: str) -> None:
    token = hs256_token(**{claim: ABSENT})

    assert await reason(authenticator, token) == "missing_claim"


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", NUMBERS_THAT_ARE_NO_DATES)
async def test_dates_are_finite_numbers(
    authenticator: Authenticator, claim: str, value: Any
) -> None:
    assert await reason(authenticator, hs256_token(**{claim: value})) == "malformed_claims"


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"NaN", b"Infinity", b"-Infinity"])
async def test_numbers_beyond_json_are_refused(authenticator: Authenticator, number: bytes) -> None:
    token = signed({"alg": "HS256"}, b'{"sub":"ann","exp":' + number + b"}", hs256())

    assert await reason(authenticator, token) == "malformed_claims"


async def test_a_token_is_accepted_until_its_expiry_plus_the_leeway(
    authenticator: Authenticator,
) -> None:
    token = hs256_token(iat=NOW_S - 60, exp=NOW_S - LEEWAY_S + 0.5)

    assert await authenticator.caller(bearer(token)) == Caller(user_id="ann")


async def test_a_token_expires_when_the_leeway_is_over(authenticator: Authenticator) -> None:
    token = hs256_token(iat=NOW_S - 60, exp=NOW_S - LEEWAY_S)

    assert await reason(authenticator, token) == "expired_token"


@pytest.mark.parametrize("claim", ["nbf", "iat"])
async def test_a_start_within_the_leeway_is_accepted(
    authenticator: Authenticator, claim: str
) -> None:
    token = hs256_token(**{claim: NOW_S + LEEWAY_S})

    assert await authenticator.caller(bearer(token)) == Caller(user_id="ann")


@pytest.mark.parametrize("claim", ["nbf", "iat"])
async def test_a_start_beyond_the_leeway_is_not_yet_valid(
    authenticator: Authenticator, claim: str
) -> None:
    token = hs256_token(**{claim: NOW_S + LEEWAY_S + 1})

    assert await reason(authenticator, token) == "not_yet_valid"


async def test_a_lifetime_of_366_days_is_accepted(authenticator: Authenticator) -> None:
    token = hs256_token(exp=NOW_S + MAX_LIFETIME_S)

    assert await authenticator.caller(bearer(token)) == Caller(user_id="ann")


@pytest.mark.parametrize("lifetime_s", [MAX_LIFETIME_S + 1, -1])
async def test_other_lifetimes_are_refused(authenticator: Authenticator, lifetime_s: int) -> None:
    token = hs256_token(iat=NOW_S, exp=NOW_S + lifetime_s)

    assert await reason(authenticator, token) == "wrong_lifetime"


@pytest.mark.parametrize("sub", ["", "x" * 257, "a\x00b", "a\nb", "\x7f", "\ud800", 7, None, ["a"]])
async def test_a_sub_that_is_not_a_name_is_refused(authenticator: Authenticator, sub: Any) -> None:
    assert await reason(authenticator, hs256_token(sub=sub)) == "malformed_claims"


@pytest.mark.parametrize("sub", ["a", "x" * 256, "auth0|5f7c", "Zoë 🙂"])
async def test_a_sub_of_1_to_256_characters_names_the_user(
    authenticator: Authenticator, sub: str
) -> None:
    assert await authenticator.caller(bearer(hs256_token(sub=sub))) == Caller(user_id=sub)


async def test_the_configured_claim_names_the_user() -> None:
    authenticator = asking_for(user_claim="email")

    caller = await authenticator.caller(bearer(hs256_token(email="ann@example.org")))

    assert caller == Caller(user_id="ann@example.org")


async def test_sub_stays_compulsory_alongside_the_configured_claim() -> None:
    token = hs256_token(email="ann@example.org", sub=ABSENT)

    assert await reason(asking_for(user_claim="email"), token) == "missing_claim"


async def test_a_token_without_the_configured_claim_is_refused() -> None:
    assert await reason(asking_for(user_claim="email"), hs256_token()) == "missing_claim"


async def test_a_configured_issuer_is_compulsory() -> None:
    assert await reason(asking_for(issuer="https://id.example"), hs256_token()) == "missing_claim"


async def test_the_configured_issuer_is_accepted() -> None:
    caller = await asking_for(issuer="i").caller(bearer(hs256_token(iss="i")))

    assert caller == Caller(user_id="ann")


@pytest.mark.parametrize("issuer", ["", "I", "i/", "ii"])
async def test_another_issuer_is_refused(issuer: str) -> None:
    assert await reason(asking_for(issuer="i"), hs256_token(iss=issuer)) == "wrong_issuer"


@pytest.mark.parametrize("claim", ["iss", "jti"])
@pytest.mark.parametrize("value", [1, None, ["i"]])
async def test_iss_and_jti_must_be_text_even_when_not_configured(
    authenticator: Authenticator, claim: str, value: Any
) -> None:
    assert await reason(authenticator, hs256_token(**{claim: value})) == "malformed_claims"


async def test_a_configured_audience_is_compulsory() -> None:
    assert await reason(for_sessions(), hs256_token()) == "missing_claim"


@pytest.mark.parametrize("audience", ["sessions", ["sessions"], ["other", "sessions"]])
async def test_the_configured_audience_is_found_alone_or_among_others(audience: Any) -> None:
    caller = await for_sessions().caller(bearer(hs256_token(aud=audience)))

    assert caller == Caller(user_id="ann")


@pytest.mark.parametrize("audience", ["", "session", "sessions2", [], ["other"]])
async def test_another_audience_is_refused(audience: Any) -> None:
    token = hs256_token(aud=audience)

    assert await reason(for_sessions(), token) == "wrong_audience"


@pytest.mark.parametrize("audience", [None, 7, {"sessions": 1}, ["sessions", 7]])
async def test_an_audience_of_another_type_is_refused(audience: Any) -> None:
    token = hs256_token(aud=audience)

    assert await reason(for_sessions(), token) == "malformed_claims"


async def test_a_token_for_some_audience_is_refused_when_none_is_configured(
    authenticator: Authenticator,
) -> None:
    assert await reason(authenticator, hs256_token(aud="other")) == "audience_not_configured"


@pytest.mark.parametrize(
    "granted",
    [
        {"scope": "a b"},
        {"scope": " a   b "},
        {"scope": ["a", "b"]},
        {"scopes": ["a", "b"]},
        {"scopes": "a b"},
        {"scp": ["b", "a", "a"]},
        {"scp": "a b"},
        {"scope": "a", "scopes": ["b"]},
        {"scope": "a", "scp": "b"},
    ],
)
async def test_scopes_are_gathered_from_all_their_claims(
    authenticator: Authenticator, granted: dict[str, Any]
) -> None:
    caller = await authenticator.caller(bearer(hs256_token(**granted)))

    assert caller.scopes == {"a", "b"}


@pytest.mark.parametrize("audience", ["chat", ["chat"], ["other", "sessions"]])
async def test_any_of_several_audiences_will_do(audience: Any) -> None:
    authenticator = asking_for(audiences=frozenset({"sessions", "chat"}))

    caller = await authenticator.caller(bearer(hs256_token(aud=audience)))

    assert caller.user_id == "ann"


@pytest.mark.parametrize("claim", ["permissions", "roles"])
async def test_scopes_of_this_service_are_found_among_roles(
    authenticator: Authenticator, claim: str
) -> None:
    roles = ["admin", "sessions:admin", "sessions:agent:a b", *map(str, range(200))]

    caller = await authenticator.caller(bearer(hs256_token(**{claim: roles})))

    assert caller.scopes == {"sessions:admin", "sessions:agent:a b"}


@pytest.mark.parametrize("claim", ["permissions", "roles"])
@pytest.mark.parametrize(
    "value", [None, 7, {"sessions:admin": True}, [7, ["sessions:admin"], None], "admin", []]
)
async def test_roles_of_other_systems_grant_nothing_and_harm_nothing(
    authenticator: Authenticator, claim: str, value: Any
) -> None:
    caller = await authenticator.caller(bearer(hs256_token(**{claim: value})))

    assert caller.scopes == frozenset()


@pytest.mark.parametrize(
    ("path", "granted"),
    [
        ("mine", {"mine": "a b"}),
        ("realm_access.roles", {"realm_access": {"roles": ["a", "b"]}}),
        ("a.b.c", {"a": {"b": {"c": ["a", "b"]}}}),
        ("https://example.com/roles", {"https://example.com/roles": ["a", "b"]}),
        ("a.b", {"a.b": ["a"], "a": {"b": ["x"]}, "scope": "b"}),
    ],
)
async def test_another_claim_may_hold_scopes_given_by_name_or_path(
    path: str, granted: dict[str, Any]
) -> None:
    caller = await asking_for(scope_claim=path).caller(bearer(hs256_token(**granted)))

    assert caller.scopes == {"a", "b"}


@pytest.mark.parametrize("found", [{}, {"realm_access": {}}, {"realm_access": "x"}])
async def test_a_path_that_leads_to_nothing_grants_nothing(found: dict[str, Any]) -> None:
    authenticator = asking_for(scope_claim="realm_access.roles")

    assert (await authenticator.caller(bearer(hs256_token(**found)))).scopes == frozenset()


async def test_a_path_that_leads_to_something_else_is_refused() -> None:
    authenticator = asking_for(scope_claim="realm_access.roles")

    for value in (7, {"a": 1}, None, ["a", 7]):
        token = hs256_token(realm_access={"roles": value})
        assert await reason(authenticator, token) == "malformed_claims"


async def test_a_scope_in_a_list_may_hold_spaces(authenticator: Authenticator) -> None:
    token = hs256_token(scopes=["sessions:agent:my agent"])

    caller = await authenticator.caller(bearer(token))

    assert caller.agent_ids == {"my agent"}


@pytest.mark.parametrize(
    "granted",
    [
        {"scope": [["sessions:admin"]]},
        {"scope": None},
        {"scopes": 7},
        {"scopes": {"sessions:admin": True}},
        {"scp": ["a", 7]},
        {"scopes": [["sessions:admin"]]},
        {"scopes": [""]},
        {"scopes": ["a\x00"]},
        {"scope": "a\nb"},
        {"scope": "x" * 272},
        {"scopes": [str(number) for number in range(101)]},
    ],
    ids=lambda granted: repr(granted)[:40],
)
async def test_scopes_of_other_types_or_out_of_bounds_are_refused(
    authenticator: Authenticator, granted: dict[str, Any]
) -> None:
    assert await reason(authenticator, hs256_token(**granted)) == "malformed_claims"


async def test_scopes_at_the_limits_of_number_and_length_are_accepted(
    authenticator: Authenticator,
) -> None:
    scopes = ["x" * 271, *(str(number) for number in range(99))]

    caller = await authenticator.caller(bearer(hs256_token(scopes=scopes)))

    assert caller.scopes == set(scopes)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"sub":"ann","sub":"ann","exp":1800003600}',
        b'{"sub":"ann","exp":1800003600,"x":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"sub":"ann","exp":1800003600,"x":' + b"9" * 4400 + b"}",
        '{"sub":"ann","exp":1800003600}'.encode("utf-16"),
    ],
    ids=lambda payload: repr(payload)[:40],
)
async def test_claims_are_one_plain_json_object(
    authenticator: Authenticator, payload: bytes
) -> None:
    token = signed({"alg": "HS256"}, payload, hs256())

    assert await reason(authenticator, token) == "malformed_claims"


async def test_brackets_in_texts_do_not_count_as_depth(authenticator: Authenticator) -> None:
    token = hs256_token(note='\\"' + "[{" * 500)

    assert await authenticator.caller(bearer(token)) == Caller(user_id="ann")
