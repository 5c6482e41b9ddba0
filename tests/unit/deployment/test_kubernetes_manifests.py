"""The Kubernetes manifests are what Kubernetes knows, and fit together. No cluster is asked."""

from collections.abc import Callable

import pytest

from unit.deployment.checks import BY_HAND, CHECKS, shapes
from unit.deployment.policies import lets_in
from unit.deployment.rendered import ROOT, Document, databases, labels_of_all, manifests, of_kind, pods


def findings(documents: list[Document]) -> list[str]:
    return [*shapes(documents), *fitting(documents)]


def fitting(documents: list[Document]) -> list[str]:
    return [found for check in CHECKS for found in check(documents)]


@pytest.mark.parametrize("components", [(), ("dynamodb",), ("two-databases",), ("read-replicas",)])
def test_nothing_is_found_wrong(components: tuple[str, ...]) -> None:
    documents = manifests(*components)
    assert len(documents) > 40
    assert findings(documents) == []


def misspelt_field(documents: list[Document]) -> None:
    container = pods(documents)["feature-service"].container
    container["readinesProbe"] = container.pop("readinessProbe")


def misspelt_field_of_a_database(documents: list[Document]) -> None:
    synchronous = databases(documents)["decisions"]["spec"]["postgresql"]["synchronous"]
    synchronous["dataDurabilty"] = synchronous.pop("dataDurability")


def unknown_durability(documents: list[Document]) -> None:
    databases(documents)["decisions"]["spec"]["postgresql"]["synchronous"]["dataDurability"] = "always"


def selector_of_a_service(documents: list[Document]) -> None:
    of_kind(documents, "Service")["gateway"]["spec"]["selector"] = {"app.kubernetes.io/name": "front"}


def selector_of_a_budget(documents: list[Document]) -> None:
    budget = of_kind(documents, "PodDisruptionBudget")["prediction-service"]
    budget["spec"]["selector"]["matchLabels"] = {"app": "prediction-service"}


def caller_that_a_policy_names_wrongly(documents: list[Document]) -> None:
    ingress = of_kind(documents, "NetworkPolicy")["feature-service"]["spec"]["ingress"][0]
    ingress["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] = "gateways"


def secret_that_is_not_made(documents: list[Document]) -> None:
    documents.remove(of_kind(documents, "Secret")["monitor"])


def key_that_a_secret_lacks(documents: list[Document]) -> None:
    secret = of_kind(documents, "Secret")["features-owner"]["stringData"]
    secret["pass"] = secret.pop("password")


def config_map_that_is_not_made(documents: list[Document]) -> None:
    pods(documents)["monitor"].container["envFrom"][0]["configMapRef"]["name"] = "monitor"


def port_that_nothing_listens_on(documents: list[Document]) -> None:
    next(each for each in of_kind(documents, "Service")["gateway"]["spec"]["ports"] if each["name"] == "calls")[
        "port"
    ] = 8002


def probe_of_another_port(documents: list[Document]) -> None:
    pods(documents)["gateway"].container["livenessProbe"]["httpGet"]["port"] = "admin"


def port_that_is_not_the_one_listened_on(documents: list[Document]) -> None:
    environment = pods(documents)["feature-service"].container["env"]
    next(each for each in environment if each["name"] == "FEATURE_SERVICE_PORT")["value"] = "8000"


def variable_that_is_no_setting(documents: list[Document]) -> None:
    pods(documents)["feature-service"].container["env"].append({"name": "FEATURE_SERVICE_DRAIN", "value": "3"})


def value_that_a_setting_refuses(documents: list[Document]) -> None:
    of_kind(documents, "ConfigMap")[config_map("prediction-service", documents)]["data"][
        "PREDICTION_SERVICE_OUTCOME_HORIZON_DAYS"
    ] = "a year"


def config_map(prefix: str, documents: list[Document]) -> str:
    """Its whole name: Kustomize adds a digest."""
    return next(name for name in of_kind(documents, "ConfigMap") if name.startswith(prefix))


def policy_that_is_missing(documents: list[Document]) -> None:
    documents.remove(of_kind(documents, "NetworkPolicy")["prediction-service"])


def pod_that_runs_as_root(documents: list[Document]) -> None:
    pods(documents)["gateway"].spec["securityContext"].pop("runAsNonRoot")


def links_to_services(documents: list[Document]) -> None:
    pods(documents)["feature-service"].spec.pop("enableServiceLinks")


def number_beside_an_autoscaler(documents: list[Document]) -> None:
    pods(documents)["feature-service"].maker["spec"]["replicas"] = 2


def policy_towards_the_table_that_is_missing(documents: list[Document]) -> None:
    documents.remove(of_kind(documents, "NetworkPolicy")["online-store"])


def table_without_a_region(documents: list[Document]) -> None:
    of_kind(documents, "ConfigMap")[config_map("online-store", documents)]["data"]["ONLINE_STORE"] = (
        "dynamodb://features"
    )


def account_that_is_not_made(documents: list[Document]) -> None:
    documents.remove(of_kind(documents, "ServiceAccount")["publisher"])


def second_database_that_no_policy_opens(documents: list[Document]) -> None:
    documents.remove(of_kind(documents, "NetworkPolicy")["features-second"])


def second_database_that_is_missing(documents: list[Document]) -> None:
    documents.remove(databases(documents)["features-second"])


def instance_that_there_is_not(documents: list[Document]) -> None:
    of_kind(documents, "Service")["features-instance-3"]["spec"]["selector"]["cnpg.io/instanceName"] = "features-4"


def port_of_an_instance(documents: list[Document]) -> None:
    of_kind(documents, "Service")["features-instance-1"]["spec"]["ports"][0]["targetPort"] = 5433


def replicas_without_a_bound(documents: list[Document]) -> None:
    environment = pods(documents)["feature-service"].container["env"]
    environment.remove(next(each for each in environment if each["name"] == "FEATURE_SERVICE_MAX_STORE_LAG_MS"))


MISTAKES_OF: dict[str, list[tuple[Callable[[list[Document]], None], str]]] = {
    "two-databases": [
        (second_database_that_no_policy_opens, "load: no network policy lets it reach features-second-database:5432"),
        (second_database_that_is_missing, "features-migrate: nothing answers at features-second-rw:5432"),
    ],
    "read-replicas": [
        (instance_that_there_is_not, "Service features-instance-3: "),
        (port_of_an_instance, "service features-instance-1: its instance listens on 5432"),
        (replicas_without_a_bound, "feature-service: 1 validation error"),
    ],
}
MISTAKES: list[tuple[Callable[[list[Document]], None], str]] = [
    (misspelt_field, "Deployment feature-service: Additional properties are not allowed ('readinesProbe'"),
    (misspelt_field_of_a_database, "Cluster decisions: Additional properties are not allowed ('dataDurabilty'"),
    (unknown_durability, "Cluster decisions: 'always' is not one of"),
    (selector_of_a_service, "Service gateway: {'matchLabels': {'app.kubernetes.io/name': 'front'}} selects no pod"),
    (selector_of_a_budget, "PodDisruptionBudget prediction-service: "),
    (caller_that_a_policy_names_wrongly, "NetworkPolicy feature-service: "),
    (secret_that_is_not_made, "monitor: there is no secret monitor"),
    (key_that_a_secret_lacks, "features-migrate: secret features-owner lacks ['password']"),
    (config_map_that_is_not_made, "monitor: there is no monitor"),
    (port_that_nothing_listens_on, "prediction-service: nothing answers at gateway:8001"),
    (probe_of_another_port, "gateway: probes ask ['admin']"),
    (port_that_is_not_the_one_listened_on, "feature-service: listens on ['8000']"),
    (variable_that_is_no_setting, "feature-service: FEATURE_SERVICE_DRAIN is no setting"),
    (value_that_a_setting_refuses, "prediction-service: 1 validation error"),
    (policy_that_is_missing, "prediction-service: no network policy lets it reach decisions-database:5432"),
    (pod_that_runs_as_root, "gateway: lacks not root"),
    (links_to_services, "feature-service: lacks no variables of other services"),
    (number_beside_an_autoscaler, "autoscaler feature-service"),
    (policy_towards_the_table_that_is_missing, "feature-service: no network policy lets it reach its table"),
    (table_without_a_region, "feature-service: 1 validation error"),
    (account_that_is_not_made, "publisher: there is no account publisher"),
]


PLANTED = [
    (component, *mistake)
    for component, mistakes in ({"dynamodb": MISTAKES} | MISTAKES_OF).items()
    for mistake in mistakes
]


@pytest.mark.parametrize(("component", "plant", "found"), PLANTED, ids=[plant.__name__ for _, plant, _ in PLANTED])
def test_a_planted_mistake_is_found(component: str, plant: Callable[[list[Document]], None], found: str) -> None:
    documents, before = manifests(component), manifests(component)
    plant(documents)
    changed = [each for each in documents if each not in before]  # schemas are slow, and the others fit theirs
    all_found = [*shapes(changed), *fitting(documents)]
    assert any(each.startswith(found) for each in all_found), all_found


def test_a_kind_that_no_schema_describes_is_found() -> None:
    unknown = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Pooler", "metadata": {"name": "features"}, "spec": {}}
    assert any("Pooler" in each for each in shapes([unknown]))


def test_what_is_made_by_hand_is_said_how() -> None:
    page = (ROOT / "docs/how-to/kubernetes.md").read_text()
    assert [name for name in BY_HAND if f"kubectl create configmap {name} " not in page] == []


def test_the_front_door_is_the_only_one() -> None:
    documents = manifests()
    assert {each["spec"].get("type") for each in of_kind(documents, "Service").values()} == {None}  # ClusterIP
    let_in = {
        (name, port)
        for name, labels in labels_of_all(documents).items()
        for port in (8080, 8001, 8002, 8405, 5432, 8000)
        if lets_in(documents, labels, {"a": "stranger"}, port)
    }
    assert let_in == {("gateway", 8080)}


def test_the_gateway_has_room_for_all_replicas_and_the_database_for_their_connections() -> None:
    documents = manifests()
    scalers = of_kind(documents, "HorizontalPodAutoscaler")
    most = {name: each["spec"]["maxReplicas"] + 1 for name, each in scalers.items()}  # one more during an update
    assert most.keys() == {"feature-service", "prediction-service"}
    assert max(most.values()) <= 16
    assert most["feature-service"] * 5 < 100
