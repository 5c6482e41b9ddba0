"""The front door of the local stack: both services at one address, and answers of its own like those of any service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from feature_service.app import create_app as create_feature_app
from feature_service.settings import Settings as FeatureSettings
from local_stack.front import FrontDoor
from prediction_service.app import create_app as create_prediction_app
from prediction_service.features.client import open_feature_client
from prediction_service.settings import Settings as PredictionSettings
from shared_schemas import Feature, FeatureDefinitions


class NoStore:
    async def ping(self, _: Any) -> None:
        return

    async def vector(self, *_: Any) -> None:
        return


class OtherSet:
    """A feature service that serves none of the inputs of the model."""

    selection = None

    async def check_credential(self, _: Any) -> None:
        return

    async def definitions(self, _: Any) -> FeatureDefinitions:
        other = Feature(name="rent", type="number", description="Rent")
        return FeatureDefinitions(version="1", name="other", digest="0" * 64, features=(other,))


@asynccontextmanager
async def open_other_set(_: PredictionSettings) -> AsyncIterator[Any]:
    yield OtherSet()


def asked(
    model_dir: Path, *urls: str, method: str = "GET", open_client: Any = open_feature_client
) -> list[httpx.Response]:
    @asynccontextmanager
    async def open_store(_: FeatureSettings) -> AsyncIterator[Any]:
        yield NoStore()

    async def ask() -> list[httpx.Response]:
        predictions = create_prediction_app(PredictionSettings(decision_log=False, model_dir=model_dir), open_client)
        front = FrontDoor(create_feature_app(FeatureSettings(), open_store), predictions, FeatureSettings())
        async with front._lifespan(front):
            transport = httpx.ASGITransport(front)
            async with httpx.AsyncClient(transport=transport, base_url="http://front") as client:
                return [await client.request(method, url) for url in urls]

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("/online_feature_store/client_id=4", "client-not-found"),
        ("/feature-service/online_feature_store/client_id=4", "client-not-found"),
        ("/credit_risk/client_id=x", "invalid-request"),
        ("/models/nobody", "model-not-found"),
        ("/monitoring/alarms", "decision-log-off"),
        ("/nothing", "not-found"),
    ],
)
def test_every_address_leads_to_its_service_and_every_refusal_has_its_id(model_dir: Path, url: str, kind: str) -> None:
    [answer] = asked(model_dir, url)
    assert answer.json()["type"] == f"/problems/{kind}"
    assert answer.json()["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_door_is_not_ready_while_the_features_are_not_those_of_the_model(model_dir: Path) -> None:
    for ready in asked(model_dir, "/health/ready", "/prediction-service/health/ready", open_client=open_other_set):
        assert ready.status_code == 503
        assert ready.json()["type"] == "/problems/feature-set-mismatch"


def test_the_door_is_ready_when_both_are_and_adds_up_their_metrics(model_dir: Path) -> None:
    ready, models, metrics = asked(model_dir, "/health/ready", "/models", "/metrics")
    assert ready.json() == {"status": "ready"}
    assert models.status_code == 200
    lines = metrics.text.splitlines()
    assert len([line for line in lines if line.startswith("http_server_requests_shed_total")]) == 1
    for route in ("/health/ready", "/models"):
        assert any(f'http_route="{route}"' in line or 'http_route="unmatched"' in line for line in lines)


def test_its_own_pages_refuse_a_method_with_a_problem(model_dir: Path) -> None:
    for answer in asked(model_dir, "/", "/health/live", "/docs", "/metrics", method="POST"):
        assert answer.status_code == 405
        assert answer.json()["type"] == "/problems/method-not-allowed"
        assert answer.headers["allow"] == "GET, HEAD"
