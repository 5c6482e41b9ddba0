"""Wires the feature service: settings, lifespan, routes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI, Request

from feature_service.access import RULES
from feature_service.routes import LANES, router
from feature_service.settings import Settings
from feature_service.store import FeatureStore, open_store
from feature_service.write_routes import router as write_router
from feature_service.writer import FeatureWriter, WriteMetrics, open_writer
from service_kit.metrics import Metrics
from service_kit.service import build_service


class State(TypedDict):
    """What the lifespan opens and every request may use."""

    settings: Settings
    store: FeatureStore
    writer: FeatureWriter | None


OpenStore = Callable[[Settings], AbstractAsyncContextManager[FeatureStore]]
OpenWriter = Callable[[Settings, WriteMetrics], AbstractAsyncContextManager[FeatureWriter | None]]


async def _ready(request: Request) -> None:
    await request.state.store.ping()


def create_app(
    settings: Settings | None = None, open_store: OpenStore = open_store, open_writer: OpenWriter = open_writer
) -> FastAPI:
    """The application; without settings, those of the environment."""
    settings = settings or Settings()
    metrics = Metrics()
    write_metrics = WriteMetrics(metrics.registry)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with open_store(settings) as store, open_writer(settings, write_metrics) as writer:
            yield State(settings=settings, store=store, writer=writer)

    return build_service(
        name="feature_service",
        title="Feature service",
        settings=settings,
        routers=[router, write_router],
        ready=_ready,
        lifespan=lifespan,
        metrics=metrics,
        lanes=LANES,
        rules=RULES,
    )
