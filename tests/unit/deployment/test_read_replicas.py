"""Kubernetes: every instance of the features' database is read within a bound, each under a name of its own."""

import re

from unit.deployment.rendered import databases, instances, manifests, of_kind, pods


def test_every_instance_is_a_replica_of_its_own() -> None:
    plain, replicated = manifests(), manifests("read-replicas")
    before, after = (pods(every)["feature-service"].environment(every) for every in (plain, replicated))
    added = {name: value for name, value in after.items() if name not in before}
    assert after == before | added
    assert added.keys() == {"FEATURE_SERVICE_REPLICA_URL", "FEATURE_SERVICE_MAX_STORE_LAG_MS"}
    hosts = re.findall(r"[@,]([a-z0-9-]+):5432", added["FEATURE_SERVICE_REPLICA_URL"])
    services = of_kind(replicated, "Service")
    selected = [services[host]["spec"]["selector"] for host in hosts]
    assert selected == [labels for name, labels in instances(replicated).items() if name.startswith("features-")]
    assert len(hosts) == databases(replicated)["features"]["spec"]["instances"]


def test_nothing_else_changes() -> None:
    before, after = (
        {(each["kind"], each["metadata"]["name"]): each for each in every if each["kind"] != "Secret"}
        for every in (manifests(), manifests("read-replicas"))
    )
    assert after.keys() - before.keys() == {("Service", f"features-instance-{number}") for number in (1, 2, 3)}
    assert {key for key in before if before[key] != after[key]} == {("Deployment", "feature-service")}
