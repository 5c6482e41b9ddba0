"""Rules and dashboard ask for metrics that the service has."""

import json
import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from prediction_service.monitor.metrics import MonitoringMetrics
from prediction_service.recording.log import report

FOLDER = Path(__file__).parents[3] / "deploy" / "prometheus"


def known() -> set[str]:
    registry = CollectorRegistry()
    MonitoringMetrics(registry)
    report(registry, recording=True)
    return {metric.name for metric in registry.collect()}


def test_rules_ask_for_metrics_that_exist() -> None:
    asked = re.findall(r"expr: (.+)", (FOLDER / "rules.yml").read_text())
    assert len(asked) == (FOLDER / "rules.yml").read_text().count("- alert:")
    names = {name for expression in asked for name in re.findall(r"(?:prediction|decision)_\w+", expression)}
    assert names
    assert names <= known()


def test_the_dashboard_shows_every_metric_of_monitoring() -> None:
    panels = json.loads((FOLDER / "grafana" / "dashboards" / "monitoring.json").read_text())["panels"]
    asked = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    names = set(re.findall(r"prediction_monitoring_\w+", asked))
    assert names == {name for name in known() if name.startswith("prediction_monitoring_")}
