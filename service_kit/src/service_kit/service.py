"""Builds a service: what is the same for each of ours, in one place."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from pydantic.json_schema import models_json_schema
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from service_kit.docs import docs_routes
from service_kit.health import Readiness, health_router
from service_kit.http_protocol import HttpProtocol
from service_kit.lanes import Lane, Lanes
from service_kit.logs import configure_logs
from service_kit.metrics import Metrics, metrics_endpoint
from service_kit.middleware import RequestLayer
from service_kit.problems import add_problem_handlers
from service_kit.settings import ServiceSettings
from shared_schemas import Problem

SERVER_OPTIONS: dict[str, Any] = {
    "http": HttpProtocol,
    "ws": "none",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,
    "timeout_graceful_shutdown": 10,
}
"""How uvicorn runs an application of ours. Running requests have ten seconds to finish once the process is told to stop."""


class _Service(FastAPI):
    """A FastAPI application within our request layer: nothing of the framework stands before a lane."""

    def __init__(self, layer: Callable[[ASGIApp], ASGIApp], **options: Any) -> None:
        super().__init__(**options)
        self._entrance = layer(super().__call__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._entrance(scope, receive, send)


def build_service(
    *,
    name: str,
    title: str,
    settings: ServiceSettings,
    routers: Sequence[APIRouter],
    ready: Readiness,
    lifespan: Lifespan[Any],
    metrics: Metrics,
    lanes: Sequence[Lane],
) -> FastAPI:
    layer = partial(
        RequestLayer, metrics=metrics, service=name, max_body_bytes=settings.max_body_bytes, lanes=Lanes(*lanes)
    )
    app = _Service(layer, title=title, version="1.0.0", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    for router in (*routers, health_router(ready)):
        app.include_router(router)
    app.add_route("/metrics", metrics_endpoint(metrics.registry), include_in_schema=False)
    app.router.routes.extend(docs_routes(title))
    app.state.metrics = metrics
    add_problem_handlers(app)
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Put the schema that every documented problem refers to into the OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        _, problem = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
        schemas.update(problem["$defs"])
        return document

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend the document


def run_service(factory: str, settings: ServiceSettings) -> None:
    """Serve the application that `factory` ("module:function") makes, until told to stop."""
    configure_logs(settings.log_level)
    uvicorn.run(factory, factory=True, host=settings.host, port=settings.port, **SERVER_OPTIONS)
