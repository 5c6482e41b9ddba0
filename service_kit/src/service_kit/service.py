"""Builds a service: what is the same for each of ours, in one place."""

from collections.abc import Sequence
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from pydantic.json_schema import models_json_schema
from starlette.types import Lifespan

from service_kit.docs import docs_routes
from service_kit.health import Readiness, health_router
from service_kit.logs import configure_logs
from service_kit.metrics import Metrics, metrics_endpoint
from service_kit.middleware import RequestLayer
from service_kit.problems import add_problem_handlers
from service_kit.settings import ServiceSettings
from shared_schemas import Problem

GRACE_SECONDS = 10
"""How long running requests may take to finish once the process is told to stop."""


def build_service(
    *,
    name: str,
    title: str,
    settings: ServiceSettings,
    routers: Sequence[APIRouter],
    ready: Readiness,
    lifespan: Lifespan[Any],
    metrics: Metrics,
) -> FastAPI:
    app = FastAPI(title=title, version="1.0.0", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    for router in (*routers, health_router(ready)):
        app.include_router(router)
    app.add_route("/metrics", metrics_endpoint(metrics.registry), include_in_schema=False)
    app.router.routes.extend(docs_routes(title))
    app.state.metrics = metrics
    add_problem_handlers(app)
    _describe_problems(app)
    app.add_middleware(RequestLayer, metrics=metrics, service=name, max_body_bytes=settings.max_body_bytes)
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
    uvicorn.run(
        factory,
        factory=True,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
