"""Builds and runs a service: everything that is the same for all of ours."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from service_kit.access.gate import Gate
from service_kit.access.hosts import allowed_hosts, is_loopback
from service_kit.access.keys import KeysRefused, read_keys
from service_kit.access.rules import open_access
from service_kit.documents.names import operation_ids
from service_kit.documents.openapi import describe
from service_kit.documents.page import docs_routes
from service_kit.documents.static import MadePages, StaticPages
from service_kit.health import health_router
from service_kit.layer import RequestLayer
from service_kit.operations import FastPath, Operation, Operations
from service_kit.request.ask import Ask, Opened
from service_kit.request.refusals import add_problem_handlers
from service_kit.routes import OperationRoute
from service_kit.server.direct import protocol_for
from service_kit.server.entrance import Entrance
from service_kit.server.shutdown import DrainingServer
from service_kit.settings import ServiceSettings
from service_kit.telemetry.logs import configure_logs, report_unhandled
from service_kit.telemetry.metrics import Metrics, metrics_endpoint
from service_kit.telemetry.tracing import configure_tracing, tracing

State = TypeVar("State")


_NOT_OF_THE_FRAMEWORK: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own spans and logs contain paths and values of requests, and do not see the fast path."""


class _Service(FastAPI):
    """A FastAPI application inside our request layer: no middleware of the framework runs before the fast path.

    The server asks its `entrance` about each request first.
    """

    def __init__(self, layer: Callable[[ASGIApp], RequestLayer], gate: Gate, **options: Any) -> None:
        super().__init__(telemetry=_NOT_OF_THE_FRAMEWORK, version="1.0.0", docs_url=None, redoc_url=None, **options)
        self.router.redirect_slashes = False
        traces = tracing()
        around = layer(super().__call__)
        self._around = around if traces is None else traces.requests(around)
        # Traces observe ASGI messages, so all requests use those.
        self.entrance = Entrance(gate.admit, around.hot if traces is None else lambda _method, _path: None)

    def add_operations(self, declared: Sequence[Operation[Any]], max_body_bytes: int) -> None:
        for operation, operation_id in zip(declared, operation_ids(declared), strict=True):
            self.router.routes.append(OperationRoute(operation, operation_id, max_body_bytes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._around(scope, receive, send)


def build_service(
    *,
    name: str,
    title: str,
    settings: ServiceSettings,
    operations: Sequence[Operations[State]],
    ready: Callable[[Ask[State]], Awaitable[Mapping[str, str] | None]],
    open_state: Callable[[], AbstractAsyncContextManager[State]],
    metrics: Metrics,
    document_version: Callable[[State], object] | None = None,
    public: Sequence[str] = (),
    pages: Sequence[StaticPages | MadePages] = (),
) -> FastAPI:
    """An application that answers `operations`, with the state that `open_state` opens while it runs.

    Paths below the prefixes in `public` need no key. Neither do `pages`, which are counted apart from other requests.
    The OpenAPI document is generated again whenever `document_version` of the state changes; None: it depends on no
    state.
    """
    declared = [operation for part in operations for operation in part]
    opened: Opened[State] = Opened()
    traces = tracing()
    page_prefixes = [f"{page.prefix}/" for page in pages]
    access = open_access(settings, [operation.rule for operation in declared], [*public, *page_prefixes])
    layer = partial(
        RequestLayer,
        service=name,
        settings=settings,
        metrics=metrics if traces is None else traces.metrics(metrics),
        access=access,
        fast_path=FastPath(declared),
        opened=opened,
        dialects=[part.dialect for part in operations if part.dialect],
    )
    lifespan = partial(_lifespan, opened, open_state)
    gate = Gate(access, allowed_hosts(settings, access), page_prefixes)
    app = _Service(layer, gate, title=title, lifespan=lifespan)
    app.add_operations(declared, settings.max_body_bytes)
    app.router.routes += health_router(ready).routes
    app.add_route("/metrics", metrics_endpoint(metrics.registry), include_in_schema=False)
    app.router.routes += [*docs_routes(title), *(route for page in pages for route in page.routes())]
    app.state.metrics = metrics
    app.state.access = access
    app.state.opened = opened
    app.state.operations = declared
    app.state.ready = ready
    add_problem_handlers(app)
    describe(app, declared, access, opened, document_version)
    return app


@asynccontextmanager
async def _lifespan(
    opened: Opened[State], open_state: Callable[[], AbstractAsyncContextManager[State]], _: FastAPI
) -> AsyncIterator[None]:
    asyncio.get_running_loop().set_exception_handler(report_unhandled)
    async with open_state() as opened.state:
        yield
    if (traces := tracing()) is not None:
        await asyncio.to_thread(traces.flush)


def why_not_listen(settings: ServiceSettings) -> str | None:
    """The reason why the service must not start with these settings; None if it may."""
    prefix = settings.model_config.get("env_prefix", "")
    try:
        keys = read_keys(settings)
    except KeysRefused as reason:
        return str(reason)
    if keys or settings.allow_anonymous or is_loopback(settings.host):
        return None
    return (
        f"No API key is configured, so only loopback may be listened on: set {prefix}API_KEYS_FILE, "
        f"or {prefix}ALLOW_ANONYMOUS=true if whoever reaches the port may ask everything."
    )


def server_options(settings: ServiceSettings) -> dict[str, Any]:
    """The uvicorn configuration of an application of ours. Running requests have ten seconds after a signal to stop."""
    return {
        "http": protocol_for(settings),
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": 10,
    }


def spare_collections() -> None:
    """Exclude all objects loaded so far from garbage collections, and collect less often.

    A full collection visits all of them and stops every answer: of batches of 100, one in a hundred took 40 ms longer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


_NEW_OBJECTS = 20_000
"""Allocations between two collections of the youngest generation: some tens of batches of 100."""


def run_service(factory: str, settings: ServiceSettings) -> None:
    """Serve the application that `factory` ("module:function") returns, until a signal to stop."""
    if reason := why_not_listen(settings):
        print(reason, file=sys.stderr)
        raise SystemExit(2)
    configure_logs(settings.log_level)
    configure_tracing(factory.partition(".")[0])
    options = server_options(settings)
    config = uvicorn.Config(factory, factory=True, host=settings.host, port=settings.port, **options)
    config.load()
    spare_collections()
    server = DrainingServer(config, settings.drain_seconds)
    server.run()
    if not server.started:
        raise SystemExit(1)
