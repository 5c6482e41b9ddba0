"""Whom the network policies let reach whom."""

from collections.abc import Iterable, Mapping
from typing import Any

from unit.deployment.rendered import Document, of_kind

Labels = Mapping[str, str]


def selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    return wanted <= labels.items() and all(_fits(each, labels) for each in selector.get("matchExpressions", ()))


def _fits(expression: Mapping[str, Any], labels: Labels) -> bool:
    inside = labels.get(expression["key"]) in expression["values"]
    return inside if expression["operator"] == "In" else not inside


def allowed(documents: Iterable[Document], source: Labels, target: Labels, port: int) -> bool:
    """Whether one side lets the connection out and the other lets it in."""
    documents = list(documents)
    return lets_out(documents, source, target, port) and lets_in(documents, target, source, port)


def lets_in(documents: Iterable[Document], subject: Labels, peer: Labels, port: int) -> bool:
    return _lets(_policies(documents), "Ingress", subject, peer, port)


def lets_out(documents: Iterable[Document], subject: Labels, peer: Labels, port: int) -> bool:
    return _lets(_policies(documents), "Egress", subject, peer, port)


def _policies(documents: Iterable[Document]) -> list[Document]:
    return [policy["spec"] for policy in of_kind(documents, "NetworkPolicy").values()]


def _lets(policies: list[Document], direction: str, subject: Labels, peer: Labels, port: int) -> bool:
    """As Kubernetes does: pods that no policy names may do everything, and the others what one of theirs allows."""
    applying = [each for each in policies if direction in each["policyTypes"] and selects(each["podSelector"], subject)]
    field = direction.lower()
    return not applying or any(_rule_lets(rule, field, peer, port) for each in applying for rule in each.get(field, ()))


def _rule_lets(rule: Document, field: str, peer: Labels, port: int) -> bool:
    peers = rule.get("to" if field == "egress" else "from")
    named = peers is None or any("podSelector" in one and selects(one["podSelector"], peer) for one in peers)
    ports = rule.get("ports")
    return named and (ports is None or port in {each["port"] for each in ports if each.get("protocol") != "UDP"})
