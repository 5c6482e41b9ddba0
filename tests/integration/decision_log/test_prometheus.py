"""A real Prometheus, where it is installed: it reaches both services with the configuration of deploy/, and its rules see an alarm."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import pytest

from decisions import Log
from local_stack.postgres import Server
from running import Running, free_port, service
from watched import decided, only_of, population, record, step

DEPLOYED = Path(__file__).parents[3] / "deploy/prometheus"
PROMETHEUS = shutil.which("prometheus")

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="needs prometheus (Debian: prometheus)")


@contextmanager
def prometheus(folder: Path, features: Running, predictions: Running) -> Iterator[httpx.Client]:
    """As deployed, but for the addresses, and looking every second."""
    text = (DEPLOYED / "prometheus.yml").read_text()
    changes = {
        "feature-service:8001": f"127.0.0.1:{features.port}",
        "prediction-service:8002": f"127.0.0.1:{predictions.port}",
        "/etc/prometheus/rules.yml": str(DEPLOYED / "rules.yml"),
        "30s": "1s",
    }
    for deployed, here in changes.items():
        assert deployed in text
        text = text.replace(deployed, here)
    (folder / "prometheus.yml").write_text(text)
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            str(PROMETHEUS),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://{address}/api/v1", timeout=10) as client:
            yield client
    finally:
        process.kill()
        process.wait()


def eventually(client: httpx.Client, path: str, found: Callable[[Any], Any], **query: str) -> Any:
    """What `found` makes of the data of an answer, as soon as that is something."""
    deadline = time.monotonic() + 90
    data: Any = None
    while time.monotonic() < deadline:
        try:
            data = client.get(path, params=query).json()["data"]
        except httpx.TransportError:
            time.sleep(0.2)
            continue
        if result := found(data):
            return result
        time.sleep(0.2)
    raise AssertionError(f"{path}: {data}")


def test_both_services_are_scraped_and_an_alarm_fires(
    log: Log, server: Server, database: str, model_dir: Path, tmp_path: Path
) -> None:
    registry = Path(copytree(model_dir, tmp_path / "models"))
    only_of(registry)
    highest = population(registry).histogram.upto[-1]
    now = datetime.now(UTC)
    record(log, *(decided(registry, client, now, probability=highest) for client in range(1, 300)))
    step(log, registry, now)
    with (
        service("feature_service", database_url=server.url(database, user="feature_service")) as features,
        service(
            "prediction_service",
            model_dir=registry,
            feature_service_url=features.base,
            decision_log_database_url=log.url("decision_writer"),
        ) as predictions,
        prometheus(tmp_path, features, predictions) as client,
    ):
        targets = eventually(
            client,
            "/targets",
            lambda data: all(one["health"] == "up" for one in data["activeTargets"]) and data["activeTargets"],
        )
        assert {one["labels"]["job"] for one in targets} == {"feature-service", "prediction-service"}
        [[_, clients]] = [
            one["value"]
            for one in eventually(
                client, "/query", lambda data: data["result"], query='prediction_monitoring_clients{stream="score"}'
            )
        ]
        assert clients == "299"
        rules = eventually(
            client,
            "/rules",
            lambda data: [
                rule
                for group in data["groups"]
                for rule in group["rules"]
                if all(one["health"] != "unknown" for one in group["rules"])
            ],
        )
        assert {rule["health"] for rule in rules} == {"ok"}
        firing = eventually(
            client, "/alerts", lambda data: [one["labels"] for one in data["alerts"] if one["state"] == "firing"]
        )
        assert firing == [
            {"alertname": "ModelStreamAlarm", "stream": "score", "change": "large", "severity": "warning"}
        ]
