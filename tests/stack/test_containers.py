"""PostgreSQL and both services as containers of their own, started one by one."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from credit_default import NAMES
from db_init.migrate import migrate
from db_init.settings import Settings

PASSWORD = "only-for-this-test"
STORED = ((7, 128.90637116931464, 33, None, 1), (0, None, 150, 2, 0))

pytestmark = pytest.mark.timeout(60, func_only=True)


def image(name: str) -> str:
    return f"credit-risk/{name}:{os.environ.get('TAG', 'local')}"


def address(container: DockerContainer, port: int) -> str:
    return f"http://127.0.0.1:{container.get_exposed_port(port)}"


def wait_until_ready(base: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if httpx.get(f"{base}/health/ready", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "the service did not become ready"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def services(images: None, model_dir: Path) -> Iterator[tuple[str, str]]:
    """Addresses of the feature service and the prediction service."""
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        postgres = PostgresContainer("postgres:17", username="owner", password="owner", dbname="features", driver=None)
        stack.enter_context(postgres.with_network(network).with_network_aliases("db"))
        url = f"postgresql://owner:owner@127.0.0.1:{postgres.get_exposed_port(5432)}/features"
        migrate(Settings(database_url=SecretStr(url), reader_password=SecretStr(PASSWORD)))
        with psycopg.connect(url) as connection:
            connection.execute(
                "INSERT INTO online_features (client_id, event_timestamp, v) VALUES (5, '2020-04-11+00', %s), (6, '2020-04-11+00', %s)",
                [json.dumps(dict(zip(NAMES, values, strict=True))) for values in STORED],
            )
        features = DockerContainer(image("feature-service")).with_network(network)
        features = features.with_network_aliases("features").with_exposed_ports(8001)
        features.with_env("FEATURE_SERVICE_HOST", "0.0.0.0").with_env("FEATURE_SERVICE_ALLOW_ANONYMOUS", "true")
        features.with_env("FEATURE_SERVICE_ALLOWED_HOSTS", "features")
        features.with_env("FEATURE_SERVICE_DATABASE_URL", f"postgresql://feature_service:{PASSWORD}@db:5432/features")
        predictions = DockerContainer(image("prediction-service")).with_network(network).with_exposed_ports(8002)
        predictions.with_env("PREDICTION_SERVICE_ALLOW_ANONYMOUS", "true")
        predictions.with_env("PREDICTION_SERVICE_DECISION_LOG", "off")
        predictions.with_env("PREDICTION_SERVICE_HOST", "0.0.0.0").with_env("PREDICTION_SERVICE_MODEL_DIR", "/models")
        predictions.with_env("PREDICTION_SERVICE_FEATURE_SERVICE_URL", "http://features:8001")
        for folder in (model_dir, *model_dir.parents[:3]):
            folder.chmod(folder.stat().st_mode | 0o055)
        predictions.with_volume_mapping(str(model_dir), "/models", "ro")
        bases = (address(stack.enter_context(features), 8001), address(stack.enter_context(predictions), 8002))
        for base in bases:
            wait_until_ready(base)
        yield bases


def test_both_services_answer_about_a_client(services: tuple[str, str]) -> None:
    features, predictions = services
    vector = httpx.get(f"{features}/online_feature_store/client_id=5").json()
    assert vector == {
        "client_id": 5, "nb_previous_loans": 7, "avg_amount_loans_previous": 128.90637116931464, "age": 33,
        "years_on_the_job": None, "flag_own_car": 1, "event_timestamp": "2020-04-11T00:00:00Z",
    }  # fmt: skip
    risk = httpx.get(f"{predictions}/credit_risk/client_id=5").json()
    assert risk["client_id"] == 5
    assert risk["model_version"] == "first"
    assert risk["imputed"] == {"years_on_the_job": {"rule": "missing_cell", "value": None}}


def test_a_stored_value_out_of_range_is_reported(services: tuple[str, str]) -> None:
    risk = httpx.get(f"{services[1]}/credit_risk/client_id=6").json()
    assert risk["qa_failure_cases"] == ["age"]
    assert risk["input_variables"]["age"] == 150


def test_an_unknown_client_is_a_404_of_both(services: tuple[str, str]) -> None:
    for base, route in zip(services, ("online_feature_store", "credit_risk"), strict=True):
        answer = httpx.get(f"{base}/{route}/client_id=404")
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/client-not-found")


def test_the_prediction_service_holds_no_scikit_learn(services: tuple[str, str]) -> None:
    container = DockerContainer(image("prediction-service")).with_command(
        'python -c \'import importlib.util as u; print([n for n in ("sklearn", "numpy", "joblib") if u.find_spec(n)])\''
    )
    with container as running:
        running.get_wrapped_container().wait(timeout=30)
        assert running.get_logs()[0].decode().strip() == "[]"
