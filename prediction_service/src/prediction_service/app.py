"""Assembles the application of the prediction service from settings, state and operations."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Gauge

import console
from console.handbook import Handbook
from prediction_service.clock import clock_of
from prediction_service.features.client import FeatureClient, open_feature_client
from prediction_service.features.fitting import FittedFeatures
from prediction_service.inference.mlflow import operations as mlflow_operations
from prediction_service.inference.v2 import operations as v2_operations
from prediction_service.monitor.metrics import MonitoringMetrics, kept_up_to_date
from prediction_service.policy.followed import open_policies
from prediction_service.recording.log import Recording, open_recording, report
from prediction_service.routes.deciding import operations
from prediction_service.routes.decisions import operations as decision_operations
from prediction_service.routes.dossier import operations as dossier_operations
from prediction_service.routes.log import PREFIX
from prediction_service.routes.log import operations as log_operations
from prediction_service.routes.models import operations as model_operations
from prediction_service.routes.monitoring import operations as monitoring_operations
from prediction_service.routes.reviews import operations as review_operations
from prediction_service.settings import Settings
from prediction_service.state import State
from prediction_service.versions.past import PastModels
from prediction_service.versions.serving import open_models
from prediction_service.versions.shadow import ShadowMetrics
from service_kit.documents.static import MadePages, StaticPages
from service_kit.request.ask import Ask
from service_kit.service import build_service
from service_kit.telemetry.metrics import Metrics

OpenFeatureClient = Callable[[Settings], AbstractAsyncContextManager[FeatureClient]]
OpenRecording = Callable[[Settings], AbstractAsyncContextManager[Recording]]

_CIRCUIT = {"closed": 0, "half_open": 1, "open": 2}


async def _ready(ask: Ask[State]) -> Mapping[str, str]:
    state = ask.state
    _, policy = state.models.champion, state.policies.current
    await state.features.client.check_credential(ask)
    await state.features.check(ask)
    details = {"decision_log": "on" if state.recording.on else "off", "policy": policy.version}
    return details | ({"policy_refused": state.policies.refused} if state.policies.refused else {})


_OPERATIONS = [
    operations,
    dossier_operations,  # before model_operations: a route there ends in a parameter and would match these paths too
    model_operations,
    review_operations,
    decision_operations,
    log_operations,
    monitoring_operations,
    v2_operations,
    mlflow_operations,
]


def _served_version(state: State) -> str | None:
    champion = state.models.served_champion
    return champion.version if champion else None


class _Opening:
    """Opens the state of the service at startup and closes it at shutdown."""

    def __init__(
        self,
        settings: Settings,
        registry: CollectorRegistry,
        open_feature_client: OpenFeatureClient,
        open_recording: OpenRecording,
    ) -> None:
        self._settings = settings
        self._clock = clock_of(settings)
        self._open_feature_client = open_feature_client
        self._open_recording = open_recording
        self._shadow = ShadowMetrics(registry)
        self._circuit = Gauge(
            "feature_service_circuit", "Circuit to the feature service: 0 closed, 1 probing, 2 open.", registry=registry
        )
        report(registry, recording=settings.decision_log)
        self._monitoring = MonitoringMetrics(registry)

    @asynccontextmanager
    async def state(self) -> AsyncIterator[State]:
        settings, clock = self._settings, self._clock
        async with (
            open_models(settings.model_dir, self._shadow) as models,
            # Models open first: the policy is checked against the champion. The log closes after all that decides.
            open_policies(settings.model_dir, lambda: models.served_champion) as policies,
            self._open_recording(settings) as recording,
            kept_up_to_date(self._monitoring, models, recording, clock),
            self._open_feature_client(settings) as client,
        ):
            self._circuit.set_function(lambda: _CIRCUIT[client.breaker.state])
            features = FittedFeatures(client, lambda: models.served_champion)
            models.shadow.fits = features.fits
            yield State(settings, features, models, policies, recording, PastModels(settings.model_dir), clock)


def create_app(
    settings: Settings | None = None,
    open_feature_client: OpenFeatureClient = open_feature_client,
    open_recording: OpenRecording = open_recording,
) -> FastAPI:
    """Return the application. Without settings it reads them from the environment."""
    settings = settings or Settings()
    metrics = Metrics()
    return build_service(
        name="prediction_service",
        title="Prediction service",
        settings=settings,
        operations=_OPERATIONS,
        public=[PREFIX],
        pages=[
            MadePages("/console/docs", Handbook().page, console.CONTENT_SECURITY_POLICY),
            StaticPages("/console", console.FILES, console.CONTENT_SECURITY_POLICY),
        ],
        ready=_ready,
        open_state=_Opening(settings, metrics.registry, open_feature_client, open_recording).state,
        metrics=metrics,
        document_version=_served_version,
    )
