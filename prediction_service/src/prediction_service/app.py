"""Wires the prediction service: settings, lifespan, routes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI, Request
from prometheus_client import Gauge

from prediction_service.access import RULES
from prediction_service.feature_client import FeatureClient, open_feature_client
from prediction_service.model import Models, open_models
from prediction_service.model_routes import router as model_router
from prediction_service.routes import LANES, router
from prediction_service.settings import Settings
from prediction_service.shadow import ShadowMetrics
from service_kit.metrics import Metrics
from service_kit.service import build_service


class State(TypedDict):
    """What the lifespan opens and every request may use."""

    settings: Settings
    features: FeatureClient
    models: Models


OpenFeatureClient = Callable[[Settings], AbstractAsyncContextManager[FeatureClient]]


_CIRCUIT = {"closed": 0, "half_open": 1, "open": 2}


async def _ready(request: Request) -> None:
    _ = request.state.models.champion


def create_app(
    settings: Settings | None = None, open_feature_client: OpenFeatureClient = open_feature_client
) -> FastAPI:
    """The application; without settings, those of the environment."""
    settings = settings or Settings()
    metrics = Metrics()
    shadow_metrics = ShadowMetrics(metrics.registry)
    circuit = Gauge(
        "feature_service_circuit",
        "Circuit to the feature service: 0 closed, 1 probing, 2 open.",
        registry=metrics.registry,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with open_models(settings.model_dir, shadow_metrics) as models, open_feature_client(settings) as features:
            circuit.set_function(lambda: _CIRCUIT[features.breaker.state])
            yield State(settings=settings, features=features, models=models)

    return build_service(
        name="prediction_service",
        title="Prediction service",
        settings=settings,
        routers=[router, model_router],
        ready=_ready,
        lifespan=lifespan,
        metrics=metrics,
        lanes=LANES,
        rules=RULES,
    )
