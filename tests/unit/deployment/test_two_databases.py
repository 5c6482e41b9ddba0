"""What divides the clients between two databases, under Compose and on Kubernetes, names the second beside the first and changes
nothing else."""

from typing import Any

from unit.deployment.policies import allowed
from unit.deployment.rendered import ROOT, Document, compose, databases, labels_of_all, manifests, parsed, pods

OVERRIDE = parsed(ROOT / "deploy/two-databases.yml")
SECOND = {"@db:": "@db-2:", "@features-rw:": "@features-second-rw:"}
ADDED = {
    ("Cluster", "features-second"),
    ("NetworkPolicy", "features-second"),
    ("NetworkPolicy", "features-second-database"),
}
CHANGED = {("Deployment", "feature-service"), *(("Job", name) for name in ("features-migrate", "apply", "load"))}


def with_second(environment: dict[str, Any]) -> dict[str, Any]:
    """With the same URL of the second database after each of the first."""
    urls = {key: value for key, value in environment.items() if key.endswith("DATABASE_URL")}
    for host, other in SECOND.items():
        urls = {key: f"{url} {url.replace(host, other)}" if host in url else url for key, url in urls.items()}
    return environment | urls


def by_name(documents: list[Document]) -> dict[tuple[str, str], Document]:
    return {(each["kind"], each["metadata"]["name"]): each for each in documents if each["kind"] != "Secret"}


def test_compose_has_a_second_database_like_the_first() -> None:
    second = OVERRIDE["services"]["db-2"]
    assert second == {
        "extends": {"file": "docker-compose.yml", "service": "db"},
        "volumes": ["database_2:/var/lib/postgresql/data"],
    }
    assert OVERRIDE["volumes"] == {"database_2": None}
    assert "database:/var/lib/postgresql/data" in compose()["services"]["db"]["volumes"]


def test_compose_names_both_to_all_that_ask_for_features() -> None:
    plain = compose()["services"]
    asking = {name for name, each in plain.items() if "@db:" in str(each.get("environment")) and "profiles" not in each}
    assert OVERRIDE["services"].keys() == asking | {"db-2"}
    for name in asking:
        changed = OVERRIDE["services"][name]["environment"]
        assert plain[name]["environment"] | changed == with_second(plain[name]["environment"])
    assert OVERRIDE["services"]["db-init"]["depends_on"] == {"db-2": {"condition": "service_healthy"}}


def test_kubernetes_gets_a_second_cluster_like_the_first_and_its_address() -> None:
    plain, divided = manifests(), manifests("two-databases")
    before, after = by_name(plain), by_name(divided)
    assert after.keys() == before.keys() | ADDED
    assert {key for key in before if before[key] != after[key]} == CHANGED
    clusters = databases(divided)
    assert clusters["features-second"]["spec"] == clusters["features"]["spec"]
    for _, name in CHANGED:
        given = pods(divided)[name].environment(divided)
        assert given == with_second(pods(plain)[name].environment(plain))
        assert "features-second-rw" in str(given)


def test_those_who_reach_the_first_cluster_reach_the_second_and_no_others() -> None:
    documents = manifests("two-databases")
    labels = labels_of_all(documents)
    for port in (5432, 8000, 443):
        first, second = (
            {name for name in labels if allowed(documents, labels[name], labels[cluster], port)} - {cluster}
            for cluster in ("features-database", "features-second-database")
        )
        assert first == second
        assert first or port != 5432
    assert not allowed(documents, labels["features-database"], labels["features-second-database"], 5432)
