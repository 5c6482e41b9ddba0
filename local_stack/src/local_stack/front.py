"""The front door of the local stack: one ASGI application that hands each request to the service it is for."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from prometheus_client import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from service_kit.docs import docs_routes
from service_kit.lanes import Lanes
from service_kit.metrics import Metrics, metrics_endpoint
from service_kit.middleware import RequestLayer
from service_kit.problems import ProblemError, RouteNotFound, request_id_of
from service_kit.settings import ServiceSettings

FEATURES = "feature-service"
PREDICTIONS = "prediction-service"

_BY_PATH = {
    "/online_feature_store/": FEATURES,
    "/feature_definitions": FEATURES,
    "/credit_risk": PREDICTIONS,
    "/models": PREDICTIONS,
    f"/{FEATURES}/": FEATURES,
    f"/{PREDICTIONS}/": PREDICTIONS,
}


class _Both(Collector):
    """The metrics of several registries, each family once."""

    def __init__(self, registries: Iterable[CollectorRegistry]) -> None:
        self._registries = list(registries)

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for registry in self._registries:
            for family in registry.collect():
                if known := families.get(family.name):
                    # What is counted for the process as a whole stands in each registry.
                    known.samples.extend(sample for sample in family.samples if sample not in known.samples)
                else:
                    families[family.name] = family
        return iter(families.values())


def merged_openapi(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One OpenAPI document for several whose schemas of one name are the same schema."""
    merged: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "Credit risk by client id", "version": "1.0.0"}}
    merged |= {"paths": {}, "components": {"schemas": {}, "securitySchemes": {}}}
    for document in documents:
        merged["paths"].update(document["paths"])
        for kind, known in merged["components"].items():
            known.update(document["components"].get(kind, {}))
    return merged


class FrontDoor:
    """Dispatches by path; every service also stands whole below `/feature-service` and `/prediction-service`."""

    def __init__(self, feature_app: FastAPI, prediction_app: FastAPI) -> None:
        self._apps = {FEATURES: feature_app, PREDICTIONS: prediction_app}
        self._states: dict[str, Mapping[str, Any]] = {}
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
        own = Starlette(
            routes=routes,
            lifespan=self._lifespan,
            exception_handlers={404: self._nothing_there, ProblemError: self._problem},
        )
        self._own = RequestLayer(
            own, service="front_door", settings=ServiceSettings(), metrics=metrics, lanes=Lanes(), access=None
        )

    @asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncIterator[None]:
        feature_app, prediction_app = self._apps[FEATURES], self._apps[PREDICTIONS]
        async with (
            feature_app.router.lifespan_context(feature_app) as features,
            prediction_app.router.lifespan_context(prediction_app) as predictions,
        ):
            self._states = {FEATURES: features or {}, PREDICTIONS: predictions or {}}
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._own(scope, receive, send)
            return
        path: str = scope["path"]
        service = next((service for prefix, service in _BY_PATH.items() if path.startswith(prefix)), None)
        if service is None:
            await self._own(scope, receive, send)
            return
        inner = {**scope, "state": dict(self._states[service])}
        if path.startswith(f"/{service}/"):
            inner["root_path"] = f"/{service}"
        await self._apps[service](inner, receive, send)

    async def _welcome(self, _: Request) -> Response:
        return RedirectResponse("docs")

    async def _openapi(self, _: Request) -> Response:
        return JSONResponse(merged_openapi(app.openapi() for app in self._apps.values()))

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def _metrics(self, request: Request) -> Response:
        for app in self._apps.values():
            if app.state.access is not None:
                app.state.access.admit(request.scope)
        return await self._scrape(request)

    async def _ready(self, _: Request) -> Response:
        await self._states[FEATURES]["store"].ping()
        _champion = self._states[PREDICTIONS]["models"].champion
        return JSONResponse({"status": "ready"})

    async def _nothing_there(self, request: Request, _: Exception) -> Response:
        return RouteNotFound().response(request_id_of(request))

    async def _problem(self, request: Request, problem: Exception) -> Response:
        assert isinstance(problem, ProblemError)  # noqa: S101 -- registered for this type only
        return problem.response(request_id_of(request))
