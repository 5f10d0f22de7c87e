from collections.abc import Callable
from pathlib import Path

import pytest

from config.settings import Settings
from service.auth.configured import authenticator_for
from service.auth.keys import ConfiguredKeys, Key, PublicKey
from service.auth.tokens import Authenticator
from service.domain.access import Caller
from service.domain.errors import Unauthenticated
from tests.auth.signing import (
    OTHER_RSA_KEY,
    RSA_KEY,
    SECRET,
    FakeClock,
    Signer,
    bearer,
    claims,
    es256,
    hs256,
    hs256_token,
    ps256,
    public_der,
    public_pem,
    rs256,
    signed,
)

ANN = Caller(user_id="ann")


async def reason(authenticator: Authenticator, token: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await authenticator.caller(bearer(token))
    return refusal.value.reason


async def test_a_secret_accepts_hs256_by_default(clock: FakeClock) -> None:
    authenticator = authenticator_for(Settings(_env_file=None, jwt_secret=SECRET), clock=clock)

    assert await authenticator.caller(bearer(hs256_token())) == ANN


async def test_a_pem_file_accepts_rs256_by_default(
    rsa_authenticator: Authenticator,
) -> None:
    token = signed({"alg": "RS256"}, claims(), rs256())

    assert await rsa_authenticator.caller(bearer(token)) == ANN


async def test_es256_is_accepted_with_an_ec_key(ec_authenticator: Authenticator) -> None:
    token = signed({"alg": "ES256"}, claims(), es256())

    assert await ec_authenticator.caller(bearer(token)) == ANN


@pytest.mark.parametrize(("alg", "signer"), [("PS256", ps256()), ("RS256", rs256())])
async def test_algorithms_of_one_family_can_be_accepted_together(
    rsa_pem_file: Path, clock: FakeClock, alg: str, signer: Signer
) -> None:
    settings = Settings(
        _env_file=None, jwt_public_key_file=rsa_pem_file, jwt_algorithms=("PS256", "RS256")
    )
    token = signed({"alg": alg}, claims(), signer)

    assert await authenticator_for(settings, clock=clock).caller(bearer(token)) == ANN


@pytest.mark.parametrize("signer", [rs256(), ps256(OTHER_RSA_KEY), ps256(salt_bytes=20), es256()])
async def test_ps256_signatures_with_other_keys_paddings_or_salts_are_refused(
    rsa_pem_file: Path, clock: FakeClock, signer: Signer
) -> None:
    settings = Settings(_env_file=None, jwt_public_key_file=rsa_pem_file, jwt_algorithms=("PS256",))
    token = signed({"alg": "PS256"}, claims(), signer)

    assert await reason(authenticator_for(settings, clock=clock), token) == "wrong_signature"


async def test_a_signature_by_another_rsa_key_is_refused(rsa_authenticator: Authenticator) -> None:
    token = signed({"alg": "RS256"}, claims(), rs256(OTHER_RSA_KEY))

    assert await reason(rsa_authenticator, token) == "wrong_signature"


async def test_a_signature_by_another_secret_is_refused(authenticator: Authenticator) -> None:
    token = signed({"alg": "HS256"}, claims(), hs256(SECRET + "."))

    assert await reason(authenticator, token) == "wrong_signature"


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", [public_pem, public_der], ids=["pem", "der"])
async def test_a_public_key_is_never_used_as_a_secret(
    rsa_authenticator: Authenticator, alg: str, form: Callable[[PublicKey], bytes]
) -> None:
    token = signed({"alg": alg}, claims(), hs256(form(RSA_KEY.public_key())))

    assert await reason(rsa_authenticator, token) == "wrong_algorithm"


async def test_an_hmac_with_the_public_key_does_not_pass_for_rs256(
    rsa_authenticator: Authenticator,
) -> None:
    token = signed({"alg": "RS256"}, claims(), hs256(public_pem(RSA_KEY.public_key())))

    assert await reason(rsa_authenticator, token) == "wrong_signature"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "none"])
async def test_a_secret_is_not_a_key_for_other_algorithms(algorithm: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await ConfiguredKeys(Key(SECRET.encode())).candidates(None, algorithm)

    assert refusal.value.reason == "unknown_key"


async def test_a_changed_payload_is_refused(authenticator: Authenticator) -> None:
    header, _, signature = hs256_token(sub="ann").split(".")
    _, payload, _ = hs256_token(sub="bob").split(".")

    assert await reason(authenticator, f"{header}.{payload}.{signature}") == "wrong_signature"
