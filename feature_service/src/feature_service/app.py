"""Wires the feature service: settings, state, operations."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from feature_service.feast.operations import feast_operations
from feature_service.routes.reading import operations
from feature_service.routes.writing import operations as write_operations
from feature_service.settings import Settings
from feature_service.state import State
from feature_service.store.features import FeatureStore
from feature_service.store.online import OnlineWrites
from feature_service.store.opening import open_store, open_writer
from feature_service.store.postgresql.writer import WriteMetrics
from service_kit.request.ask import Ask
from service_kit.service import build_service
from service_kit.telemetry.metrics import Metrics

OpenStore = Callable[[Settings], AbstractAsyncContextManager[FeatureStore]]
OpenWriter = Callable[[Settings, WriteMetrics], AbstractAsyncContextManager[OnlineWrites | None]]


async def _ready(ask: Ask[State]) -> Mapping[str, str] | None:
    return await ask.state.store.ping(ask)


def _served_mark(state: State | None) -> str | None:
    return state.store.feature_set.served.mark if state and state.store.feature_set.served else None


def create_app(
    settings: Settings | None = None, open_store: OpenStore = open_store, open_writer: OpenWriter = open_writer
) -> FastAPI:
    """The application. Without `settings`, they come from the environment."""
    settings = settings or Settings()
    metrics = Metrics()
    write_metrics = WriteMetrics(metrics.registry)

    @asynccontextmanager
    async def open_state() -> AsyncIterator[State]:
        async with open_store(settings) as store, open_writer(settings, write_metrics) as writer:
            yield State(settings, store, writer)

    return build_service(
        name="feature_service",
        title="Feature service",
        settings=settings,
        operations=[operations, write_operations, *feast_operations()],
        ready=_ready,
        open_state=open_state,
        metrics=metrics,
        document_version=_served_mark,
    )
