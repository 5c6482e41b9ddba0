"""What docker-compose.yml promises, the Kubernetes manifests keep."""

from pathlib import Path

import pytest

from unit.deployment import promises
from unit.deployment.policies import allowed, lets_in, lets_out, selects
from unit.deployment.rendered import Document, Pod, databases, labels_of_all, manifests, of_kind, pods

COUNTERPARTS = {
    "db-init": "load", "decision-log-migrate": "decisions-migrate", "decision-log": "decision-log", "trainer": "train",
    "feature-service": "feature-service", "prediction-service": "prediction-service", "monitor": "monitor",
    "gateway": "gateway", "publisher": "publisher",
}  # fmt: skip
COMPONENT_OF = {"publisher": "dynamodb"}
"""Off until the component is turned on."""
TABLE = "dynamodb://credit-features?region=eu-central-1"
DATABASES = {"db": "features", "decision-db": "decisions"}
ELSEWHERE = {"credentials": "deploy/make_secrets.py"}
MORE_PODS = {"features-migrate": "db-init", "apply": "db-init"}
"""Pods that do a part of what one service of Compose does."""

COMPARED = {
    "image", "environment", "command", "user", "read_only", "tmpfs", "cap_drop", "cap_add", "security_opt", "mem_limit",
    "shm_size", "stop_grace_period", "networks", "network_mode", "ports", "volumes", "healthcheck", "restart",
}  # fmt: skip
WITHOUT_COUNTERPART = {
    "init": "programs that are told to stop do so as process 1, too",
    "pids_limit": "a setting of the node: podPidsLimit of its kubelet",
    "depends_on": "the order of docs/how-to/kubernetes.md; until then pods are not ready",
    "build": "images come from a registry",
}
HOSTS = {"@db:": "@features-rw:", "@decision-db:": "@decisions-rw:"}
OTHER_VALUES: dict[str, dict[str, str | None]] = {
    "feature-service": {
        "FEATURE_SERVICE_ALLOW_ANONYMOUS": None, "FEATURE_SERVICE_ALLOWED_HOSTS": None,  # keys are needed
        "FEATURE_SERVICE_API_KEYS_FILE": "/run/secrets/api-keys", "FEATURE_SERVICE_DRAIN_SECONDS": "3",
    },
    "prediction-service": {
        "PREDICTION_SERVICE_ALLOW_ANONYMOUS": None, "PREDICTION_SERVICE_ALLOWED_HOSTS": None,
        "PREDICTION_SERVICE_API_KEYS_FILE": "/run/secrets/api-keys", "PREDICTION_SERVICE_DRAIN_SECONDS": "3",
    },
    "gateway": {
        "NAMESPACE": "", "FEATURE_SERVICE": "feature-service-replicas.$(NAMESPACE).svc.cluster.local:8001",
        "PREDICTION_SERVICE": "prediction-service-replicas.$(NAMESPACE).svc.cluster.local:8002",
    },
    # One config map for both that run this package.
    "monitor": {
        "PREDICTION_SERVICE_DECISION_LOG": "on", "PREDICTION_SERVICE_DECISION_LOG_ORIGIN": "localhost/decisions",
        "PREDICTION_SERVICE_CREDITOR_NAME": "",
        "PREDICTION_SERVICE_CREDITOR_ADDRESS": "",
    },
    "publisher": {"DB_INIT_ONLINE_STORE": TABLE},
}  # fmt: skip

both = pytest.mark.parametrize(("service", "name"), COUNTERPARTS.items(), ids=COUNTERPARTS)


def pair(service: str, name: str) -> tuple[Document, Pod]:
    return promises.services()[service], pods(documents_of(service))[name]


def documents_of(service: str) -> list[Document]:
    return manifests(*([COMPONENT_OF[service]] if service in COMPONENT_OF else []))


def test_every_service_and_every_field_has_its_counterpart_or_a_reason() -> None:
    assert promises.services().keys() == COUNTERPARTS.keys() | DATABASES.keys() | ELSEWHERE.keys()
    assert promises.fields() == COMPARED | WITHOUT_COUNTERPART.keys()
    assert pods(manifests()).keys() == {*COUNTERPARTS.values(), *MORE_PODS} - COMPONENT_OF.keys()
    assert pods(manifests("dynamodb")).keys() == {*COUNTERPARTS.values(), *MORE_PODS}
    assert databases(manifests()).keys() == set(DATABASES.values())


@both
def test_image_and_command(service: str, name: str) -> None:
    promised, pod = pair(service, name)
    assert pod.container["image"] == promised["image"]
    assert pod.container.get("command") == promised.get("command")


@both
def test_variables(service: str, name: str) -> None:
    promised, pod = pair(service, name)
    expected: dict[str, str | None] = {key: str(value) for key, value in promised.get("environment", {}).items()}
    for variable, value in expected.items():
        for host, other in HOSTS.items():
            expected[variable] = (value := str(value).replace(host, other))
    expected |= OTHER_VALUES.get(service, {})
    assert pod.environment(documents_of(service)) == {
        key: value for key, value in expected.items() if value is not None
    }


@both
def test_who_it_runs_as_and_what_it_may(service: str, name: str) -> None:
    promised, pod = pair(service, name)
    said, inside = pod.spec["securityContext"], pod.container["securityContext"]
    assert f"{said['runAsUser']}:{said['runAsGroup']}" == promised.get("user", "10001:10001")
    assert inside["readOnlyRootFilesystem"] is promised["read_only"]
    assert inside["capabilities"]["drop"] == promised["cap_drop"]
    assert promised["security_opt"] == ["no-new-privileges:true"]
    assert inside["allowPrivilegeEscalation"] is False
    assert "cap_add" not in promised


@both
def test_memory_and_temporary_files(service: str, name: str) -> None:
    promised, pod = pair(service, name)
    assert promises.size(pod.container["resources"]["limits"]["memory"]) == promises.size(promised["mem_limit"])
    [folder] = promised["tmpfs"]
    path, _, option = folder.partition(":size=")
    temporary = pod.volumes()[pod.mounts()[path]["name"]]["emptyDir"]
    assert temporary["medium"] == "Memory"
    assert promises.size(temporary["sizeLimit"]) == (promises.size(option) if option else 64 << 20)


@both
def test_time_to_stop_and_what_is_started_again(service: str, name: str) -> None:
    promised, pod = pair(service, name)
    before_the_signal = pod.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if "stop_grace_period" in promised:
        grace = pod.spec["terminationGracePeriodSeconds"] - before_the_signal
        assert grace == promises.seconds(promised["stop_grace_period"])
    assert pod.spec.get("restartPolicy", "Always") == ("Never" if promised["restart"] == "no" else "Always")
    assert (pod.maker["kind"] == "Job") is (promised["restart"] == "no")


@both
def test_volumes(service: str, name: str) -> None:
    promised, pod = pair(service, name)
    given = {path: mount.get("readOnly", False) for path, mount in pod.mounts().items()}
    own = {path: read_only for path, read_only in given.items() if path not in ("/tmp", "/run/secrets")}
    assert own == promises.mounted(promised)


@both
def test_secrets(service: str, name: str, tmp_path: Path) -> None:
    _, pod = pair(service, name)
    more = {
        "feature-service": {"api-keys"},
        "prediction-service": {"api-keys", "prediction_service_feature_service_api_key"},
    }
    given, promised = set(pod.files(documents_of(service))), promises.secret_files(tmp_path)[service]
    if service == "publisher":  # Compose mounts all of the owner's; it reads one
        assert given == {"db_init_database_password"} <= promised
    else:
        assert given == promised | more.get(service, set())


@both
def test_ports(service: str, name: str) -> None:
    promised, pod = pair(service, name)
    listened = [port["containerPort"] for port in pod.container.get("ports", ()) if port["name"] == "http"]
    assert listened == [int(port.rpartition(":")[2]) for port in promised.get("ports", ())]


@both
def test_health(service: str, name: str) -> None:
    promised, pod = pair(service, name)
    check, probe = promised.get("healthcheck"), pod.container.get("readinessProbe")
    assert (check is None) is (probe is None)
    if check and probe:
        times = [probe[each] for each in ("periodSeconds", "timeoutSeconds", "failureThreshold")]
        assert times == [promises.seconds(check["interval"]), promises.seconds(check["timeout"]), check["retries"]]
        asked = probe["exec"]["command"] if "exec" in probe else probe["httpGet"]["path"]
        ready = {("python", "/compose/ready.py"): "/health/ready", ("alive",): "/health/live"}
        assert asked == ready.get(tuple(check["test"][1:]), check["test"][1:])


@pytest.mark.parametrize(("service", "name"), DATABASES.items(), ids=DATABASES)
def test_databases(service: str, name: str) -> None:
    promised, spec = promises.services()[service], databases(manifests())[name]["spec"]
    start, environment = spec["bootstrap"]["initdb"], promised["environment"]
    assert spec["imageName"].rpartition(":")[2] == promised["image"].rpartition(":")[2]
    assert (start["owner"], start["database"]) == (environment["POSTGRES_USER"], environment["POSTGRES_DB"])
    assert {f"{key}={value}" for key, value in spec["postgresql"]["parameters"].items()} == {*promised["command"][2::2]}
    assert promises.size(spec["resources"]["limits"]["memory"]) == promises.size(promised["mem_limit"])
    assert promises.size(spec["ephemeralVolumesSizeLimit"]["shm"]) == promises.size(promised["shm_size"])
    assert spec["stopDelay"] == promises.seconds(promised["stop_grace_period"])
    assert spec["instances"] >= 3
    assert spec["enableSuperuserAccess"] is False


def test_an_answered_decision_survives_the_loss_of_a_database() -> None:
    synchronous = databases(manifests())["decisions"]["spec"]["postgresql"]["synchronous"]
    assert synchronous == {"method": "any", "number": 1, "dataDurability": "required", "failoverQuorum": True}


def test_a_password_is_the_same_where_two_must_know_it() -> None:
    documents = manifests()
    files = {name: pod.files(documents) for name, pod in pods(documents).items()}
    features, decisions = files["features-migrate"], files["decisions-migrate"]
    service, prediction = files["feature-service"], files["prediction-service"]
    assert features["db_init_reader_password"] == service["feature_service_database_password"]
    assert features["db_init_writer_password"] == service["feature_service_writer_database_password"]
    of_predictions = "prediction_service_decision_log"
    assert decisions["decision_log_writer_password"] == prediction[f"{of_predictions}_database_password"]
    assert decisions["decision_log_eraser_password"] == prediction[f"{of_predictions}_eraser_database_password"]
    assert decisions["decision_log_sequencer_password"] == files["decision-log"]["decision_log_database_password"]
    assert (
        decisions["decision_log_monitor_password"] == files["monitor"]["prediction_service_monitor_database_password"]
    )
    owners = [of_kind(documents, "Secret")[f"{name}-owner"]["stringData"]["password"] for name in DATABASES.values()]
    assert [features["db_init_database_password"], decisions["decision_log_database_password"]] == owners
    assert len({*features.values(), *decisions.values()}) == 8


def test_nobody_reaches_more_than_in_compose() -> None:
    documents = manifests("dynamodb")
    labels = labels_of_all(documents)
    services = {name: service for service, name in COUNTERPARTS.items()} | MORE_PODS
    services |= {f"{name}-database": service for service, name in DATABASES.items()}
    for source in labels.keys() - {"features-database", "decisions-database"}:
        for target in labels:
            for port in (5432, 8000, 8001, 8002, 8080, 8405):
                if allowed(documents, labels[source], labels[target], port):
                    assert promises.share_a_network(services[source], services[target]), (source, target, port)


def test_what_has_no_network_in_compose_has_none() -> None:
    documents = manifests()
    labels = labels_of_all(documents)
    [isolated] = [
        name for service, name in COUNTERPARTS.items() if promises.services()[service].get("network_mode") == "none"
    ]
    for port in (53, 443, 5432, 8001):
        assert not any(lets_out(documents, labels[isolated], peer, port) for peer in labels.values())
        assert not any(lets_in(documents, labels[isolated], peer, port) for peer in labels.values())


@pytest.mark.parametrize("components", [(), ("dynamodb",), ("two-databases",)])
def test_only_the_sequencer_and_who_asks_a_table_get_out_to_the_world(components: tuple[str, ...]) -> None:
    documents = manifests(*components)
    outward = [
        policy["spec"]["podSelector"]
        for policy in of_kind(documents, "NetworkPolicy").values()
        if any("to" not in rule for rule in policy["spec"].get("egress", ()))
    ]
    found = {
        name for name, labels in labels_of_all(documents).items() if any(selects(each, labels) for each in outward)
    }
    more = {"dynamodb": {"feature-service", "publisher"}, "two-databases": {"features-second-database"}}
    expected = {"decision-log", "features-database", "decisions-database"}
    assert found == expected.union(*(more[component] for component in components))
    # The databases ask the API server who is the primary.


def test_a_table_changes_the_feature_service_and_nothing_else() -> None:
    plain, with_table = manifests(), manifests("dynamodb")
    plain_by_name, by_name = (
        {(each["kind"], each["metadata"]["name"]): each for each in every} for every in (plain, with_table)
    )
    assert plain_by_name.keys() < by_name.keys()
    same = {key for key in plain_by_name if key[0] != "Secret"}  # made again each time
    assert {key for key in same if plain_by_name[key] != by_name[key]} == {("Deployment", "feature-service")}
    before, after = (pods(every)["feature-service"] for every in (plain, with_table))
    given = after.environment(with_table)
    assert given == before.environment(plain) | {"FEATURE_SERVICE_ONLINE_STORE": TABLE}
    assert pods(with_table)["publisher"].environment(with_table)["DB_INIT_ONLINE_STORE"] == TABLE


@pytest.mark.parametrize("name", ["feature-service", "publisher"])
def test_who_asks_a_table_gets_credentials_of_a_role_of_its_own(name: str) -> None:
    documents = manifests("dynamodb")
    account = of_kind(documents, "ServiceAccount")[pods(documents)[name].spec["serviceAccountName"]]
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].endswith(f":role/credit-risk-{name}")
    for port in (443, 5432):
        assert lets_out(documents, pods(documents)[name].labels, {"cnpg.io/cluster": "features"}, port)
    assert not lets_out(documents, pods(documents)[name].labels, {"cnpg.io/cluster": "features"}, 8000)
