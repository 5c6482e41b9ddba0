"""Prometheus metrics of a service: its registry, the metrics that every service has, and the scrape endpoint."""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from service_kit.server.shedding import shed

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

retries = Counter(
    "outbound_request_retries",
    "Requests to PostgreSQL or another service that were sent again because the connection was lost.",
    ("peer",),
    registry=None,
)
"""Retries of calls to other systems.

The counter belongs to the process; importing a module that retries sets its label to 0.
"""


def route_of(scope: Scope) -> str:
    """The path template of the route that answered, or "unmatched"."""
    return str(scope.get("route_template") or getattr(scope.get("route"), "path_format", None) or "unmatched")


class RequestMetrics(Protocol):
    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None: ...


class Metrics:
    """The metrics of every service. Labels are route templates and codes, never values of a request."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(shed)
        self.registry.register(retries)
        self._duration = Histogram(
            "http_server_request_duration_seconds",
            "Time from the arrival of a request to the end of its answer.",
            ("http_route", "http_request_method", "http_response_status_code"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._child = lru_cache(maxsize=1024)(self._duration.labels)

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        self._child(route, method if method in _METHODS else "OTHER", status).observe(seconds)

    def observe_traced_request(
        self, route: str, method: str, status: int, seconds: float, exemplar: dict[str, str]
    ) -> None:
        """Observe with exemplars that name the trace, for scrapers that read OpenMetrics."""
        self._child(route, method if method in _METHODS else "OTHER", status).observe(seconds, exemplar)


def metrics_endpoint(registry: Collector) -> Callable[[Request], Awaitable[Response]]:
    """Answers a scrape in the format that the scraper accepts (Prometheus text or OpenMetrics)."""

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type})

    return metrics
