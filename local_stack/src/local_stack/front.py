"""The front door of the local stack: an ASGI application that forwards each request to one of the services."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from prometheus_client import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from service_kit.access.gate import Gate, Place
from service_kit.access.hosts import Hosts
from service_kit.documents.page import docs_routes
from service_kit.layer import RequestLayer
from service_kit.request.refusals import add_problem_handlers
from service_kit.server.entrance import Entrance, HotRequest
from service_kit.settings import ServiceSettings
from service_kit.telemetry.metrics import Metrics, metrics_endpoint

FEATURES = "feature-service"
PREDICTIONS = "prediction-service"

_BY_PATH = {
    "/online_feature_store": FEATURES,
    "/feature_definitions": FEATURES,
    "/credit_risk": PREDICTIONS,
    "/models": PREDICTIONS,
    "/v2": PREDICTIONS,
    "/invocations": PREDICTIONS,
    "/ping": PREDICTIONS,
    "/version": PREDICTIONS,
    "/feast/": FEATURES,
    "/decisions": PREDICTIONS,
    "/decision_log/": PREDICTIONS,
    "/outcomes": PREDICTIONS,
    "/monitoring/": PREDICTIONS,
    "/console": PREDICTIONS,
    f"/{FEATURES}/": FEATURES,
    f"/{PREDICTIONS}/": PREDICTIONS,
}


class _Both(Collector):
    """Combines the metrics of several registries, with each metric family once."""

    def __init__(self, registries: Iterable[CollectorRegistry]) -> None:
        self._registries = list(registries)

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for registry in self._registries:
            for family in registry.collect():
                if known := families.get(family.name):
                    # Metrics of the whole process are in each registry: add only samples that are not there yet.
                    known.samples.extend(sample for sample in family.samples if sample not in known.samples)
                else:
                    families[family.name] = family
        return iter(families.values())


def merged_openapi(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge OpenAPI documents into one. Schemas with the same name must be equal."""
    merged: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "Credit risk by client id", "version": "1.0.0"}}
    merged |= {"paths": {}, "components": {"schemas": {}, "securitySchemes": {}}}
    for document in documents:
        merged["paths"].update(document["paths"])
        for kind, known in merged["components"].items():
            known.update(document["components"].get(kind, {}))
    return merged


def _service_of(scope: Scope) -> str | None:
    path: str = scope["path"]
    if path == "/health":  # part of MLflow's scoring protocol; paths below it belong to the front door
        return PREDICTIONS
    return next((service for prefix, service in _BY_PATH.items() if path.startswith(prefix)), None)


def _hand_to(service: str, scope: Scope) -> None:
    """Set the root path of the service. Keeps the scope object, in which the server records that the caller is gone."""
    if scope["path"].startswith(f"/{service}/"):
        scope["root_path"] = f"/{service}"


class FrontDoor:
    """Dispatches requests by path. Each service is also complete below `/feature-service` or `/prediction-service`.

    `settings` apply to the front door's own pages.
    """

    def __init__(self, feature_app: FastAPI, prediction_app: FastAPI, settings: ServiceSettings) -> None:
        self._apps = {FEATURES: feature_app, PREDICTIONS: prediction_app}
        self._entrances: dict[str, Entrance] = {name: app.entrance for name, app in self._apps.items()}  # type: ignore[attr-defined] # build_service gives it
        metrics = Metrics()
        registries = [app.state.metrics.registry for app in self._apps.values()]
        self._scrape = metrics_endpoint(_Both([*registries, metrics.registry]))
        routes = [
            Route("/", self._welcome),
            Route("/openapi.json", self._openapi),
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
            Route("/metrics", self._metrics),
            *docs_routes("Credit risk by client id", [f"{FEATURES}/openapi.json", f"{PREDICTIONS}/openapi.json"]),
        ]
        own = Starlette(routes=routes, lifespan=self._lifespan)
        add_problem_handlers(own)
        self.entrance = Entrance(self._admit, self._hot)
        accesses = [app.state.access for app in self._apps.values()]
        # The front door's own pages need no key. They accept any host name only if every service has keys.
        self._gate = Gate(None, Hosts(None if all(accesses) else ()))
        self._own = RequestLayer(own, service="front_door", settings=settings, metrics=metrics)

    @asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncIterator[None]:
        feature_app, prediction_app = self._apps[FEATURES], self._apps[PREDICTIONS]
        async with (
            feature_app.router.lifespan_context(feature_app),
            prediction_app.router.lifespan_context(prediction_app),
        ):
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = _service_of(scope) if scope["type"] == "http" else None
        if service is None:
            await self._own(scope, receive, send)
            return
        _hand_to(service, scope)
        await self._apps[service](scope, receive, send)

    def _admit(self, scope: Scope) -> Place:
        """Admit a request by the rules of its service. Raises the service's problem."""
        service = _service_of(scope)
        if service is None:
            return self._gate.admit(scope)
        _hand_to(service, scope)
        return self._entrances[service].admit(scope)

    def _hot(self, method: str, path: str) -> HotRequest | None:
        return next((hot for one in self._entrances.values() if (hot := one.hot(method, path)) is not None), None)

    async def _welcome(self, _: Request) -> Response:
        return RedirectResponse("console/")

    async def _openapi(self, _: Request) -> Response:
        return JSONResponse(merged_openapi(app.openapi() for app in self._apps.values()))

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def _metrics(self, request: Request) -> Response:
        for app in self._apps.values():
            if app.state.access is not None:
                app.state.access.admit(request.scope)
        return await self._scrape(request)

    async def _ready(self, request: Request) -> Response:
        """Ready if both services are ready. Raises the problem of a service that is not."""
        for app in self._apps.values():
            await app.state.ready(replace(request.scope["ask"], state=app.state.opened.state))
        return JSONResponse({"status": "ready"})
