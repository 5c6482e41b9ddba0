"""Builds a service: what is the same for each of ours, in one place."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from pydantic.json_schema import models_json_schema
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from service_kit.access import Access, Rule, open_access
from service_kit.access_docs import describe_access
from service_kit.api_keys import KeysRefused, read_keys
from service_kit.docs import docs_routes
from service_kit.health import Readiness, health_router
from service_kit.lanes import Lane, Lanes
from service_kit.logs import configure_logs
from service_kit.metrics import Metrics, metrics_endpoint
from service_kit.middleware import RequestLayer
from service_kit.problems import add_problem_handlers
from service_kit.protocol import protocol_for
from service_kit.settings import ServiceSettings
from service_kit.shutdown import DrainingServer
from shared_schemas import MAX_CLIENT_ID, Problem


class _Service(FastAPI):
    """A FastAPI application within our request layer: nothing of the framework stands before a lane."""

    def __init__(self, layer: Callable[[ASGIApp], ASGIApp], **options: Any) -> None:
        super().__init__(**options)
        self._entrance = layer(super().__call__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._entrance(scope, receive, send)


_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})


def build_service(
    *,
    name: str,
    title: str,
    settings: ServiceSettings,
    routers: Sequence[APIRouter],
    ready: Readiness,
    lifespan: Lifespan[Any],
    metrics: Metrics,
    rules: Sequence[Rule],
    lanes: Sequence[Lane],
) -> FastAPI:
    access = open_access(settings, rules)
    layer = partial(RequestLayer, service=name, settings=settings, metrics=metrics, lanes=Lanes(*lanes), access=access)
    app = _Service(layer, title=title, version="1.0.0", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    for router in (*routers, health_router(ready)):
        app.include_router(router)
    app.add_route("/metrics", metrics_endpoint(metrics.registry), include_in_schema=False)
    app.router.routes.extend(docs_routes(title))
    app.state.metrics = metrics
    app.state.access = access
    add_problem_handlers(app)
    _describe(app, access)
    return app


def _describe(app: FastAPI, access: Access | None) -> None:
    """Put the schema that every documented problem refers to, and API keys, into the OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        _, problem = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
        schemas.update(problem["$defs"])
        describe_access(document, access)
        _restore_integers(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend the document


def _restore_integers(part: Any) -> None:
    """Make bounds the integers that they were: FastAPI makes them floats, which 2^63 - 1 is none of."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in _BOUNDS and isinstance(value, float) and value.is_integer():
                part[name] = min(int(value), MAX_CLIENT_ID) if name == "maximum" else int(value)
            _restore_integers(value)
    elif isinstance(part, list):
        for item in part:
            _restore_integers(item)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def why_not_listen(settings: ServiceSettings) -> str | None:
    """Why the service must not be started with these settings; None if it may."""
    prefix = settings.model_config.get("env_prefix", "")
    try:
        keys = read_keys(settings)
    except KeysRefused as reason:
        return str(reason)
    if keys or settings.allow_anonymous or _is_loopback(settings.host):
        return None
    return (
        f"No API key is configured, so only loopback may be listened on: set {prefix}API_KEYS_FILE, "
        f"or {prefix}ALLOW_ANONYMOUS=true if whoever reaches the port may ask everything."
    )


def server_options(settings: ServiceSettings) -> dict[str, Any]:
    """How uvicorn runs an application of ours. Running requests have ten seconds once the process is told to stop."""
    return {
        "http": protocol_for(settings),
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": 10,
    }


def run_service(factory: str, settings: ServiceSettings) -> None:
    """Serve the application that `factory` ("module:function") makes, until told to stop."""
    if reason := why_not_listen(settings):
        print(reason, file=sys.stderr)
        raise SystemExit(2)
    configure_logs(settings.log_level)
    options = server_options(settings)
    config = uvicorn.Config(factory, factory=True, host=settings.host, port=settings.port, **options)
    server = DrainingServer(config, settings.drain_seconds)
    server.run()
    if not server.started:
        raise SystemExit(1)
