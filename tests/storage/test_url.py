"""The MongoDB URL: which database it names, and which of its options are overridden."""

from typing import Any

import pytest
from pymongo import ReadPreference

from config.settings import Settings
from service.databases import database_name, overridden_by_settings, running_database
from service.storage import driver
from service.storage.url import UnusableUrl, database_in, usable, without_overridden
from tests.contract.conftest import REAL_KINDS
from tests.databases import connected

HOST = "mongodb://u:hush@127.0.0.1:1"
ATLAS = "retryWrites=true&w=majority&appName=session-service"
# The driver refuses these together with our options, if it gets them.
CONTRADICTING = "readPreference=secondary&maxStalenessSeconds=120&readPreferenceTags=dc:ny&w=0"


def settings(url: str, **others: Any) -> Settings:
    return Settings(_env_file=None, mongo_url=url, **others)


@pytest.mark.parametrize(
    ("rest", "database"),
    [
        ("", "sessions"),
        ("/", "sessions"),
        ("/?w=1", "sessions"),
        ("?w=1", "sessions"),
        ("/chat", "chat"),
        ("/chat?authSource=admin", "chat"),
        ("/chat%2Dprod", "chat-prod"),
        ("/%63hat", "chat"),
    ],
)
def test_the_database_is_the_one_in_the_path_or_sessions(rest: str, database: str) -> None:
    assert database_name(settings(f"{HOST}{rest}")) == database
    assert database_name(settings(f"mongodb+srv://u:hush@cluster.example{rest}")) == database


def test_a_database_from_the_settings_overrides_the_one_in_the_path() -> None:
    assert database_name(settings(f"{HOST}/chat", mongo_database="other")) == "other"
    assert database_name(settings(f"{HOST}/admin", mongo_database="other")) == "other"


@pytest.mark.parametrize("path", ["my%20chat", "a/b", "chat.messages", "chat%00", "x" * 64, "é"])
def test_an_unusable_database_name_is_refused_with_the_rule(path: str) -> None:
    with pytest.raises(UnusableUrl, match="1 to 63 letters, digits, - or _") as refused:
        database_in(f"{HOST}/{path}")

    assert path not in str(refused.value)


@pytest.mark.parametrize("name", ["admin", "config", "local"])
def test_a_database_reserved_by_mongodb_is_refused(name: str) -> None:
    with pytest.raises(UnusableUrl, match=f"is {name}, which is MongoDB's own; set SESSIONS_"):
        database_in(f"{HOST}/{name}")


def test_overridden_options_are_reported_by_name_with_what_overrides_them() -> None:
    options = "w=1&readPreference=secondary&maxPoolSize=7&socketTimeoutMS=1&appName=mine&tls=true"

    said = overridden_by_settings(settings(f"{HOST}/?{options}"))

    promise = "the promise of majority writes and reads"
    assert said == [
        f"SESSIONS_MONGO_URL: w, readPreference overridden by {promise}",
        "SESSIONS_MONGO_URL: maxPoolSize overridden by SESSIONS_MONGO_MAX_POOL",
        "SESSIONS_MONGO_URL: socketTimeoutMS overridden by SESSIONS_MONGO_TIMEOUT_S",
        "SESSIONS_MONGO_URL: appName overridden by the service's own",
    ]


def test_the_service_can_report_each_of_its_options_as_overriding() -> None:
    ours = driver.options(settings(HOST))
    options = "&".join(f"{name.upper()}=another" for name in ours)

    said = " ".join(overridden_by_settings(settings(f"{HOST}/?{options}")))

    assert [name for name in ours if name.upper() not in said] == []


def test_options_with_the_services_own_values_are_not_reported() -> None:
    assert overridden_by_settings(settings(f"{HOST}/?{ATLAS}")) == []


def test_an_unused_database_in_the_path_is_reported() -> None:
    (said,) = overridden_by_settings(settings(f"{HOST}/chat", mongo_database="other"))

    assert said == (
        "SESSIONS_MONGO_URL: the database in its path overridden by SESSIONS_MONGO_DATABASE"
    )
    assert overridden_by_settings(settings(f"{HOST}/admin", mongo_database="other")) == []


def test_only_overridden_options_are_removed_from_the_url() -> None:
    url = f"{HOST}/chat?tls=true&W=1&authSource=admin;replicaSet=rs0&j=false&readConcernLevel=local"

    assert without_overridden(url) == (
        f"{HOST}/chat?tls=true&authSource=admin&replicaSet=rs0&j=false"
    )


@pytest.mark.parametrize("kind", REAL_KINDS)
async def test_options_that_contradict_the_services_own_do_not_stop_it(kind: str) -> None:
    async with connected(kind, f"mongodb://127.0.0.1:1/?{CONTRADICTING}") as connecting:
        client: Any = connecting

        assert client.read_preference == ReadPreference.PRIMARY
        assert client.write_concern.document == {"w": "majority", "j": True}


def test_a_minimum_pool_size_above_the_maximum_is_refused_by_name() -> None:
    with pytest.raises(UnusableUrl, match="minPoolSize is larger than SESSIONS_MONGO_MAX_POOL"):
        usable(f"{HOST}/?minPoolSize=51", max_pool=50)


@pytest.mark.parametrize("option", ["wtimeout=5", "maxPoolSize=many", "authMechanism=FOO"])
def test_an_option_the_driver_rejects_is_named(option: str) -> None:
    with pytest.raises(UnusableUrl, match=f"does not take: {option.partition('=')[0]}\\.$"):
        usable(f"{HOST}/chat?tls=true&{option}", max_pool=50)


def test_a_password_with_a_question_mark_is_not_mistaken_for_an_option() -> None:
    with pytest.raises(UnusableUrl, match="percent-encode the password") as refused:
        usable("mongodb://u:a?hush=1@h/chat", max_pool=50)

    assert "hush" not in str(refused.value)


def test_an_srv_name_that_does_not_resolve_is_reported_as_such() -> None:
    with pytest.raises(UnusableUrl, match=r"the name after mongodb\+srv:// does not resolve"):
        usable("mongodb+srv://u:hush@no.such.host.invalid/", max_pool=50)


async def test_a_password_with_a_slash_is_not_mistaken_for_a_database() -> None:
    with pytest.raises(Exception, match="percent-encode the password") as refused:
        async with running_database(settings("mongodb://u:a/hush@h/chat")):
            pass

    assert "hush" not in str(refused.value)
