"""What docker-compose.yml promises, the stack of a swarm keeps; and it holds nothing that `docker stack deploy` drops."""

import re
from pathlib import Path
from typing import Any

import pytest

from unit.deployment import promises
from unit.deployment.rendered import ROOT, Document, parsed

FOLDER = ROOT / "deploy/swarm"
FILES = [FOLDER / "data.yml", FOLDER / "services.yml"]
WITH_TABLE = parsed(FOLDER / "dynamodb.yml")
"""Deployed beside the others where vectors are read from a table."""
ELSEWHERE = {"credentials": "deploy/make_secrets.py"}
REFUSED_OR_DROPPED = {
    "build", "depends_on", "profiles", "mem_limit", "pids_limit", "restart", "security_opt", "shm_size", "tmpfs", "network_mode",
    "container_name", "links",
}  # fmt: skip
"""Fields of Compose that a swarm refuses, or ignores without a word."""

SAME = ("image", "user", "init", "read_only", "cap_drop", "cap_add", "stop_grace_period")
OTHER_VALUES: dict[str, dict[str, str | None]] = {
    "feature-service": {
        "FEATURE_SERVICE_ALLOW_ANONYMOUS": None, "FEATURE_SERVICE_ALLOWED_HOSTS": None,  # keys are needed
        "FEATURE_SERVICE_API_KEYS_FILE": "/run/secrets/api-keys", "FEATURE_SERVICE_DRAIN_SECONDS": "3",
    },
    "prediction-service": {
        "PREDICTION_SERVICE_ALLOW_ANONYMOUS": None, "PREDICTION_SERVICE_ALLOWED_HOSTS": None,
        "PREDICTION_SERVICE_API_KEYS_FILE": "/run/secrets/api-keys", "PREDICTION_SERVICE_DRAIN_SECONDS": "3",
        "PREDICTION_SERVICE_MODEL_DIR": "/tmp/models",
    },
    "monitor": {"PREDICTION_SERVICE_MODEL_DIR": "/tmp/models"},
    "publisher": {"AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/aws-credentials", "AWS_PROFILE": "default"},
}  # fmt: skip
UNPACKED = "mkdir /tmp/models && tar -C /tmp/models -xf /run/models.tar && exec python -m prediction_service"
COMMANDS = {
    "prediction-service": ["sh", "-c", UNPACKED],
    "monitor": ["sh", "-c", f"{UNPACKED} monitor"],
}
MORE_SECRETS = {
    "feature-service": {"api-keys"},
    "prediction-service": {"api-keys", "prediction_service_feature_service_api_key"},
}
BY_HAND = {"aws_credentials"}
"""Secrets that a person makes."""
ON_LOOPBACK_ONLY = {"feature-service", "prediction-service"}
"""Published by Compose for those on the same machine; a swarm would publish them to everybody."""


def stack() -> Document:
    """Both files as `docker stack deploy -c data.yml -c services.yml` puts them together, and the publisher of the third."""
    both: Document = {"services": {}, "secrets": {}, "configs": {}, "networks": {}, "volumes": {}}
    for file in FILES:
        read = parsed(file)
        for section, content in both.items():
            content.update(read.get(section, {}))
    both["services"]["publisher"] = WITH_TABLE["services"]["publisher"]
    both["secrets"].update(WITH_TABLE["secrets"])
    return both


SERVICES: dict[str, Any] = stack()["services"]
each = pytest.mark.parametrize("name", SERVICES)


def tmpfs(service: Document) -> dict[str, int]:
    volumes = [volume for volume in service.get("volumes", ()) if isinstance(volume, dict)]
    return {volume["target"]: volume["tmpfs"]["size"] for volume in volumes if volume["type"] == "tmpfs"}


def test_every_service_has_its_counterpart() -> None:
    assert SERVICES.keys() == promises.services().keys() - ELSEWHERE.keys()


@each
def test_nothing_is_said_that_a_swarm_does_not_do(name: str) -> None:
    assert SERVICES[name].keys() & REFUSED_OR_DROPPED == set()


@each
def test_what_is_the_same(name: str) -> None:
    promised = promises.services()[name]
    assert {field: SERVICES[name].get(field) for field in SAME} == {field: promised.get(field) for field in SAME}
    assert SERVICES[name].get("command") == COMMANDS.get(name, promised.get("command"))


@each
def test_variables(name: str) -> None:
    expected = promises.services()[name].get("environment", {}) | OTHER_VALUES.get(name, {})
    given = SERVICES[name].get("environment", {})
    assert {key: str(value) for key, value in given.items()} == {
        key: str(value)
        for key, value in expected.items()
        if key not in OTHER_VALUES.get(name, {}) or OTHER_VALUES[name][key] is not None
    }


@each
def test_limits(name: str) -> None:
    promised, limits = promises.services()[name], SERVICES[name]["deploy"]["resources"]["limits"]
    assert promises.size(limits["memory"]) == promises.size(promised["mem_limit"])
    assert limits["pids"] == promised["pids_limit"]
    wanted = {}
    for folder in promised["tmpfs"]:
        path, _, size = folder.partition(":size=")
        wanted[path] = promises.size(size) if size else None
    if "shm_size" in promised:
        wanted["/dev/shm"] = promises.size(promised["shm_size"])
    given = tmpfs(SERVICES[name])
    assert given.keys() == wanted.keys()
    assert {path: given[path] for path, size in wanted.items() if size} == {
        p: size for p, size in wanted.items() if size
    }


@each
def test_volumes(name: str) -> None:
    promised, service = promises.services()[name], SERVICES[name]
    if "configs" in service:
        assert promises.mounted(promised) == {"/models": True}
        assert service["configs"] == [{"source": "models", "target": "/run/models.tar"}]
        assert service["environment"]["PREDICTION_SERVICE_MODEL_DIR"].startswith("/tmp/")
    else:
        volumes = [volume for volume in service.get("volumes", ()) if isinstance(volume, str)]
        assert volumes == [volume for volume in promised.get("volumes", ()) if "_credentials:" not in volume]


@each
def test_secrets(name: str, tmp_path: Path) -> None:
    given = {secret["target"] for secret in SERVICES[name].get("secrets", ())}
    promised = promises.secret_files(tmp_path)[name]
    if name in ("db", "decision-db"):  # Compose mounts all of their owner's; they read one
        used = {Path(SERVICES[name]["environment"]["POSTGRES_PASSWORD_FILE"]).name}
        assert given == used <= promised
    elif name == "publisher":
        assert given - {"aws-credentials"} == {"db_init_database_password"} <= promised
    else:
        assert given == promised | MORE_SECRETS.get(name, set())


def test_every_secret_that_is_used_is_made() -> None:
    script = (ROOT / "deploy/make_secrets.py").read_text()
    made = {name: secret["name"] for name, secret in stack()["secrets"].items()}
    used = {secret["source"] for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == made.keys()
    assert all(made[name] == f"credit_risk_{name}" for name in used)
    assert {name for name in used if f'"{name}"' not in script} == BY_HAND
    page = (ROOT / "docs/how-to/swarm.md").read_text()
    assert all(f"docker secret create credit_risk_{name} " in page for name in BY_HAND)


@each
def test_networks_and_ports(name: str) -> None:
    promised, service = promises.services()[name], SERVICES[name]
    assert set(service["networks"]) == set(promised.get("networks", ())) or (
        promised["network_mode"] == "none" and service["networks"] == ["nothing"]
    )
    listened = [int(port.rpartition(":")[2]) for port in promised.get("ports", ()) if name not in ON_LOOPBACK_ONLY]
    assert [port["target"] for port in service.get("ports", ())] == listened
    assert all(port["mode"] == "host" for port in service.get("ports", ()))
    # Neither works in every kernel: virtual addresses, the mesh of published ports.
    assert service["deploy"]["endpoint_mode"] == "dnsrr"


def test_networks_that_lead_nowhere_lead_nowhere() -> None:
    networks = stack()["networks"]
    inner = {name for name, network in networks.items() if network and network.get("internal")}
    assert inner == {"data", "nothing"}
    assert [name for name in SERVICES if "nothing" in SERVICES[name]["networks"]] == ["trainer"]


@each
def test_health(name: str) -> None:
    check, promised = SERVICES[name].get("healthcheck"), promises.services()[name].get("healthcheck")
    if promised is None or check is None:
        assert check == promised
        return
    # A swarm replaces what is unhealthy. What depends on a database must not be replaced because that is away.
    assert check | {"retries": 0} == promised | {"retries": 0}
    assert check["retries"] >= (promised["retries"] if name == "gateway" else 30)


@each
def test_once_is_once_and_the_rest_starts_again(name: str) -> None:
    policy = SERVICES[name]["deploy"].get("restart_policy", {}).get("condition", "any")
    assert policy == ("on-failure" if promises.services()[name]["restart"] == "no" else "any")


@each
def test_what_has_a_volume_stays_where_that_is(name: str) -> None:
    volumes = [volume for volume in SERVICES[name].get("volumes", ()) if isinstance(volume, str)]
    bound = [re.fullmatch(r"node.labels.credit-risk.data == true", where) for where in _constraints(name)]
    assert bool(volumes) <= bool(bound)
    assert all(bound)


def _constraints(name: str) -> list[str]:
    found: list[str] = SERVICES[name]["deploy"].get("placement", {}).get("constraints", [])
    return found


@pytest.mark.parametrize("name", ["feature-service", "prediction-service"])
def test_a_replica_goes_only_when_the_next_is_there(name: str) -> None:
    deployed = SERVICES[name]["deploy"]
    assert deployed["replicas"] >= 2
    assert (deployed["update_config"]["order"], deployed["update_config"]["parallelism"]) == ("start-first", 1)
    assert deployed["rollback_config"]["order"] == "start-first"


def test_never_two_sequencers() -> None:
    assert SERVICES["decision-log"]["deploy"]["update_config"]["order"] == "stop-first"
    assert "replicas" not in SERVICES["decision-log"]["deploy"]


def test_a_table_changes_what_the_feature_service_reads_from_and_nothing_else() -> None:
    changed = WITH_TABLE["services"]["feature-service"]
    assert WITH_TABLE["services"].keys() == {"feature-service", "publisher"}
    assert changed == {
        "environment": {"FEATURE_SERVICE_ONLINE_STORE": "postgresql", **OTHER_VALUES["publisher"]},
        "secrets": [{"source": "aws_credentials", "target": "aws-credentials"}],
    }
    text = (FOLDER / "dynamodb.yml").read_text()
    assert "FEATURE_SERVICE_ONLINE_STORE: ${READ_FROM:-postgresql}" in text
    assert "DB_INIT_ONLINE_STORE: ${ONLINE_STORE:-}" in text
