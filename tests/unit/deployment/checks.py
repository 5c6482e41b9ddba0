"""What is wrong with manifests, one sentence for each finding. Schemas see fields; these see how they fit together."""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import kubernetes_validate
from pydantic_settings import BaseSettings

from db_init.settings import Settings as DbInitSettings
from decision_log.settings import Settings as DecisionLogSettings
from feature_service.settings import Settings as FeatureSettings
from feature_service.store.replicas.replica import each_host
from prediction_service.settings import Settings as PredictionSettings
from unit.deployment.policies import allowed, lets_out, selects
from unit.deployment.rendered import (
    ROOT,
    Document,
    Pod,
    databases,
    instances,
    labels_of_all,
    of_kind,
    pods,
    secret_sources,
)

VERSION = "1.37"
BY_HAND = {"own"}
"""Config maps that a person makes, as docs/how-to/kubernetes.md says."""
SETTINGS: dict[str, type[BaseSettings]] = {
    "db_init": DbInitSettings,
    "decision_log": DecisionLogSettings,
    "feature_service": FeatureSettings,
    "prediction_service": PredictionSettings,
}
_SCHEMA = Path(__file__).with_name("cloudnative-pg-cluster.schema.json")
_GATEWAY = (ROOT / "gateway/haproxy.cfg").read_text()
_POSTGRESQL = 5432
_SCRIPTS = {"SAMPLE_CLIENTS": "prepare_features.sh"}


@cache
def _cluster_schema() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_text()))


def shapes(documents: list[Document]) -> Iterator[str]:
    """Fields that Kubernetes or the operator of the databases does not know, and values of a wrong type."""
    for document in documents:
        name = f"{document['kind']} {document['metadata']['name']}"
        if document["kind"] == "Cluster":
            yield from (f"{name}: {error.message}" for error in _cluster_schema().iter_errors(document))
            continue
        try:
            kubernetes_validate.validate(document, VERSION, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            yield f"{name}: {error.message}"


def selectors(documents: list[Document]) -> Iterator[str]:
    """Selectors that select nothing, or not what they belong to."""
    everything = [*labels_of_all(documents).values(), *instances(documents).values()]
    for pod in pods(documents).values():
        own = [pod.maker["spec"]["selector"]] if "selector" in pod.maker["spec"] else []
        own += [each["labelSelector"] for each in pod.spec.get("topologySpreadConstraints", ())]
        if not all(selects(selector, pod.labels) for selector in own):
            yield f"{pod.name}: a selector does not fit its own labels"
    for document in documents:
        for selector in _selectors_of(document):
            if not any(selects(selector, labels) for labels in everything):
                yield f"{document['kind']} {document['metadata']['name']}: {selector} selects no pod"


def _selectors_of(document: Document) -> Iterator[Document]:
    spec = document.get("spec", {})
    if document["kind"] == "Service":
        yield {"matchLabels": spec["selector"]}
    elif document["kind"] == "PodDisruptionBudget":
        yield spec["selector"]
    elif document["kind"] == "NetworkPolicy":
        yield spec["podSelector"]
        rules = [*spec.get("ingress", ()), *spec.get("egress", ())]
        peers = [peer for rule in rules for peer in (*rule.get("from", ()), *rule.get("to", ()))]
        yield from _one_by_one(peer["podSelector"] for peer in peers if "podSelector" in peer)


def _one_by_one(found: Iterator[Document]) -> Iterator[Document]:
    """Each value of a list on its own, so that a name which nothing has is seen beside one that something has."""
    for selector in found:
        listed = selector.get("matchExpressions", ())
        yield from ({"matchLabels": {each["key"]: value}} for each in listed for value in each["values"])
        if not listed:
            yield selector


def autoscalers(documents: list[Document]) -> Iterator[str]:
    """Autoscalers whose target is missing, or sets a number that every `apply` would go back to."""
    makers = of_kind(documents, "Deployment")
    for name, scaler in of_kind(documents, "HorizontalPodAutoscaler").items():
        target = makers.get(scaler["spec"]["scaleTargetRef"]["name"])
        if target is None or "replicas" in target["spec"]:
            yield f"autoscaler {name}: its target is missing or has a number of replicas"


def mounts(documents: list[Document]) -> Iterator[str]:
    """Volumes, secrets, config maps, claims and accounts that are used and not there."""
    stored = {name: each["stringData"].keys() for name, each in of_kind(documents, "Secret").items()}
    maps = of_kind(documents, "ConfigMap").keys() | BY_HAND
    claims = of_kind(documents, "PersistentVolumeClaim").keys()
    accounts = of_kind(documents, "ServiceAccount").keys() | {"default"}
    for pod in pods(documents).values():
        if (mounted := {mount["name"] for mount in pod.mounts().values()}) != pod.volumes().keys():
            yield f"{pod.name}: mounts {sorted(mounted)}, has {sorted(pod.volumes())}"
        for source in secret_sources(pod):
            if source["name"] not in stored:
                yield f"{pod.name}: there is no secret {source['name']}"
            elif missing := {item["key"] for item in source.get("items", ())} - stored[source["name"]]:
                yield f"{pod.name}: secret {source['name']} lacks {sorted(missing)}"
        used = {volume["configMap"]["name"] for volume in pod.volumes().values() if "configMap" in volume}
        used |= {source["configMapRef"]["name"] for source in pod.container.get("envFrom", ())}
        if (account := pod.spec.get("serviceAccountName", "default")) not in accounts:
            yield f"{pod.name}: there is no account {account}"
        claimed = [volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod.volumes().values()]
        if absent := (used - maps) | ({*filter(None, claimed)} - claims):
            yield f"{pod.name}: there is no {', '.join(sorted(absent))}"
    for name, cluster in databases(documents).items():
        if not {"username", "password"} <= stored.get(cluster["spec"]["bootstrap"]["initdb"]["secret"]["name"], set()):
            yield f"{name}: the secret of its owner is missing"


def variables(documents: list[Document]) -> Iterator[str]:
    """Variables and secret files that the program does not read, and values that it refuses."""
    for pod in pods(documents).values():
        environment = pod.environment(documents)
        if pod.package == "gateway":
            read = {*re.findall(r"presetenv (\w+)", _GATEWAY), "NAMESPACE"}
            yield from (f"{pod.name}: {name} is no variable of the gateway" for name in environment.keys() - read)
            continue
        for name in [name for name, script in _SCRIPTS.items() if _runs(pod, script)]:
            environment.pop(name, None)
        if pod.package in SETTINGS:
            files = {name: value for name, value in pod.files(documents).items() if name != "api-keys"}
            yield from _refused(pod, environment | {name.upper(): value for name, value in files.items()})
        elif environment:
            yield f"{pod.name}: {sorted(environment)} are read by nothing"


def _runs(pod: Pod, script: str) -> bool:
    return any(part.endswith(script) for part in pod.container.get("command", ()))


def _refused(pod: Pod, values: dict[str, str]) -> Iterator[str]:
    settings = SETTINGS[pod.package]
    prefix = settings.model_config.get("env_prefix") or ""
    named = {name.removeprefix(prefix).lower() if name.startswith(prefix) else name: name for name in values}
    yield from (f"{pod.name}: {named[name]} is no setting" for name in named.keys() - settings.model_fields.keys())
    known = {name: values[variable] for name, variable in named.items() if name in settings.model_fields}
    try:
        settings(**known)  # type: ignore[arg-type]  # text, as the environment has it
    except ValueError as error:
        yield f"{pod.name}: {error}"


def ports(documents: list[Document]) -> Iterator[str]:
    """Ports that nothing listens on."""
    every = pods(documents)
    for pod in every.values():
        listened = {port["name"]: port["containerPort"] for port in pod.container.get("ports", ())}
        probes = [
            pod.container.get(f"{kind}Probe", {}).get("httpGet", {}) for kind in ("startup", "readiness", "liveness")
        ]
        if unknown := {probe["port"] for probe in probes if probe} - listened.keys():
            yield f"{pod.name}: probes ask {sorted(unknown)}"
        told = [value for name, value in pod.environment(documents).items() if name.endswith("_SERVICE_PORT")]
        if told and told != [str(listened.get("http"))]:
            yield f"{pod.name}: listens on {told}, says {listened}"
    for name, service in of_kind(documents, "Service").items():
        if _instances_behind(documents, service):
            if {port["targetPort"] for port in service["spec"]["ports"]} != {_POSTGRESQL}:
                yield f"service {name}: its instance listens on {_POSTGRESQL}"
            continue
        behind = [pod for pod in every.values() if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)]
        named = {port["name"] for pod in behind for port in pod.container.get("ports", ())}
        if unknown := {port["targetPort"] for port in service["spec"]["ports"]} - named:
            yield f"service {name}: {sorted(unknown)} is no port of its pods"


def addresses(documents: list[Document]) -> Iterator[str]:
    """Addresses in variables that no service has, and those that the network policies close."""
    labels = labels_of_all(documents)
    for pod in pods(documents).values():
        if _asks_a_table(pod, documents) and not lets_out(documents, pod.labels, {}, 443):
            yield f"{pod.name}: no network policy lets it reach its table"
        for host, port in _addresses(pod, documents):
            targets = _behind(documents, host, port)
            if not targets:
                yield f"{pod.name}: nothing answers at {host}:{port}"
            for target, inside in targets.items():
                if not allowed(documents, pod.labels, labels[target], inside):
                    yield f"{pod.name}: no network policy lets it reach {target}:{inside}"


def _asks_a_table(pod: Pod, documents: list[Document]) -> bool:
    return any(value.startswith("dynamodb://") for value in pod.environment(documents).values())


def _addresses(pod: Pod, documents: list[Document]) -> Iterator[tuple[str, int]]:
    for name, value in pod.environment(documents).items():
        if value.startswith("dynamodb://"):
            continue
        if "://" in value or name in ("FEATURE_SERVICE", "PREDICTION_SERVICE"):
            for url in (url for database in value.split() for url in each_host(database)):
                parts = urlsplit(url if "://" in url else f"//{url}")
                yield (parts.hostname or "").partition(".")[0], parts.port or 0


def _behind(documents: list[Document], host: str, port: int) -> dict[str, int]:
    """The pods behind an address, and the port that they listen on."""
    clusters = databases(documents)
    if host.removesuffix("-rw") in clusters:
        return {f"{host.removesuffix('-rw')}-database": _POSTGRESQL} if port == _POSTGRESQL else {}
    service = of_kind(documents, "Service").get(host)
    target = service and {each["port"]: each["targetPort"] for each in service["spec"]["ports"]}.get(port)
    if service is None or target is None:
        return {}
    if clusters_behind := _instances_behind(documents, service):
        return {f"{name}-database": _POSTGRESQL for name in clusters_behind}
    return {
        pod.name: listened["containerPort"]
        for pod in pods(documents).values()
        if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)
        for listened in pod.container["ports"]
        if listened["name"] == target
    }


def _instances_behind(documents: list[Document], service: Document) -> set[str]:
    """The clusters of the instances that a service selects."""
    selector = {"matchLabels": service["spec"]["selector"]}
    return {labels["cnpg.io/cluster"] for labels in instances(documents).values() if selects(selector, labels)}


def hardening(documents: list[Document]) -> Iterator[str]:
    """Pods that Pod Security `restricted` refuses, that can write to their image, or that are given what they do not need."""
    for pod in pods(documents).values():
        said, inside = pod.spec["securityContext"], pod.container["securityContext"]
        wanted = {
            "not root": said.get("runAsNonRoot") is True and said.get("runAsUser", 0) >= 10_000,
            "the default seccomp profile": said.get("seccompProfile") == {"type": "RuntimeDefault"},
            "no way to more privileges": inside.get("allowPrivilegeEscalation") is False,
            "no capability": inside.get("capabilities") == {"drop": ["ALL"]},
            "a read-only image": inside.get("readOnlyRootFilesystem") is True,
            "no token": pod.spec.get("automountServiceAccountToken") is False,
            "no variables of other services": pod.spec.get("enableServiceLinks") is False,
            "a memory limit": "memory" in pod.container.get("resources", {}).get("limits", {}),
            "requests": pod.container.get("resources", {}).get("requests", {}).keys() == {"cpu", "memory"},
        }
        yield from (f"{pod.name}: lacks {what}" for what, has in wanted.items() if not has)


CHECKS: list[Callable[[list[Document]], Iterator[str]]] = [
    selectors, autoscalers, mounts, variables, ports, addresses, hardening,
]  # fmt: skip
"""All but `shapes`."""
