"""docker-compose.yml: what it starts, what it opens, what it refuses."""

import json
import re
import subprocess
from typing import Any

import pytest

from config.settings import Settings
from tests.deploy.compose import compose, required_variables, services
from tests.deploy.manifests import ROOT
from tests.every import every

OBSERVABILITY = {"prometheus", "grafana"}
DATABASE = {"mongo", "mongo-initiate", "indexes", "service"}


def test_only_prometheus_and_grafana_have_a_profile() -> None:
    with_profile = {name for name, s in services().items() if s.get("profiles")}

    assert services().keys() == OBSERVABILITY | DATABASE
    assert with_profile == OBSERVABILITY


def test_mongodb_is_a_supported_version_with_a_replica_set_and_a_key_file() -> None:
    mongo = services()["mongo"]

    script = mongo["command"][0]

    assert mongo["image"] == "mongo:8.0"
    assert "exec mongod --replSet rs0 --keyFile /run/mongodb/key " in script


def test_the_database_has_no_published_port_and_an_internal_network() -> None:
    assert not any("ports" in services()[name] for name in ("mongo", "mongo-initiate", "indexes"))
    assert services()["mongo"]["networks"] == ["database"]
    assert compose()["networks"]["database"] == {"internal": True}


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]

    assert sorted(ports) == ["127.0.0.1:3000:3000", "127.0.0.1:8000:8000"]


def test_every_secret_is_a_required_variable() -> None:
    assert required_variables() == {
        "MONGO_KEY",
        "MONGO_OPERATOR_PASSWORD",
        "MONGO_SESSIONS_PASSWORD",
        "SESSIONS_JWT_SECRET",
    }


def test_no_secret_has_a_value() -> None:
    secret = re.compile(r"SECRET$|PASSWORD$|KEY$|_URL$")
    secrets = [
        str(value)
        for service in services().values()
        for name, value in service.get("environment", {}).items()
        if secret.search(name)
    ]

    assert secrets
    assert every(re.search(r"\$\{\w+:(\?[^}]+|-)\}", value) for value in secrets)


def test_the_service_logs_in_to_mongodb_as_its_least_privileged_user() -> None:
    urls = {
        services()[name]["environment"]["SESSIONS_MONGO_URL"] for name in ("service", "indexes")
    }

    (url,) = urls

    assert re.sub(r"\$\{.*?\}", "PASSWORD", url) == (
        "mongodb://sessions:PASSWORD@mongo:27017/sessions?replicaSet=rs0"
    )


def test_the_user_of_the_service_may_read_and_write_its_database_and_nothing_else() -> None:
    script = (ROOT / "k8s" / "components" / "mongodb" / "initiate.js").read_text()

    (roles,) = re.findall(r'user: "sessions",.*?roles: \[(.*?)\]', script)

    assert roles == '{ role: "readWrite", db: "sessions" }'


def test_each_step_waits_for_the_one_before() -> None:
    waits = {
        name: {on: how["condition"] for on, how in s.get("depends_on", {}).items()}
        for name, s in services().items()
    }

    assert waits["mongo-initiate"] == {"mongo": "service_healthy"}
    assert waits["indexes"] == {"mongo-initiate": "service_completed_successfully"}
    assert waits["service"] == {"indexes": "service_completed_successfully"}


def test_jobs_run_once_and_servers_are_restarted() -> None:
    restarts = {name: s["restart"] for name, s in services().items()}

    again = {name for name, restart in restarts.items() if restart == "unless-stopped"}

    assert services().keys() - again == {"mongo-initiate", "indexes"}


@pytest.mark.parametrize("name", sorted(OBSERVABILITY | DATABASE))
def test_no_container_has_more_privileges_than_it_needs(name: str) -> None:
    service = services()[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert not service.get("privileged")


@pytest.mark.parametrize("name", sorted(OBSERVABILITY | DATABASE))
def test_every_image_has_a_version(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?", services()[name]["image"])


def test_the_service_is_not_killed_while_it_drains() -> None:
    service = services()["service"]
    drain_s = Settings(_env_file=None).drain_s
    shutdown_s = int(service["environment"]["SESSIONS_SHUTDOWN_TIMEOUT_S"])

    assert int(service["stop_grace_period"].removesuffix("s")) > drain_s + shutdown_s + 10


def test_every_mounted_file_is_in_the_repository() -> None:
    mounts = [v for s in services().values() for v in s.get("volumes", []) if v.startswith("./")]

    missing = [mount for mount in mounts if not (ROOT / mount.split(":")[0]).exists()]

    assert mounts
    assert missing == []


def test_only_its_owner_can_read_the_key_file(tmp_path: Any) -> None:
    umask, writing = services()["mongo"]["command"][0].splitlines()[:2]
    script = f"{umask}\n{writing}".replace("$$", "$").replace("/run/mongodb", str(tmp_path))

    subprocess.run(["bash", "-euc", script], env={"MONGO_KEY": "some key"}, check=True)

    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "key").read_text() == "some key"


def test_prometheus_reads_the_metrics_port_of_the_service() -> None:
    port = services()["service"]["environment"]["SESSIONS_METRICS_PORT"]

    assert (
        json.dumps([f"service:{port}"])
        in (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text()
    )
