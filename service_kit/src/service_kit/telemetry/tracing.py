"""Whether this process traces requests, and the interface of traces.

Traces are off unless OTEL_* variables turn them on; then nothing is added to a request. Code that can be traced calls
`tracing()` once, when an object is made, and makes an object without traces if it returns None.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

import structlog
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.types import ASGIApp

from service_kit.batching import Batcher
from service_kit.request.ask import Ask
from service_kit.telemetry.metrics import Metrics, RequestMetrics

K = TypeVar("K")
V = TypeVar("V")
Fetch = Callable[[Sequence[K], Ask[object]], Awaitable[Mapping[K, V | Exception]]]

log = structlog.get_logger()


class TracingSettings(BaseSettings):
    """The standard variables that turn traces on. The SDK reads all others itself."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", frozen=True, extra="ignore")

    sdk_disabled: bool = Field(default=False, description="No traces, whatever else is set.")
    traces_exporter: str | None = Field(
        default=None, description="Where spans go: otlp, console, or none. Where an OTLP endpoint is set: otlp."
    )
    exporter_otlp_endpoint: str | None = Field(default=None, description="Address of a collector (OTLP over HTTP).")
    exporter_otlp_traces_endpoint: str | None = Field(default=None, description="The same, for traces alone.")

    @property
    def exporter(self) -> str | None:
        """Where spans are sent; None: nowhere."""
        given = (self.traces_exporter or "").strip().lower()
        if self.sdk_disabled or given == "none":
            return None
        if not given and (self.exporter_otlp_endpoint or self.exporter_otlp_traces_endpoint):
            return "otlp"
        return given or None


class Part(Protocol):
    """A span that is open."""

    def headers(self) -> Mapping[str, str]:
        """The header that tells another service the trace."""

    def note(self, name: str, value: str | int) -> None:
        """Add an attribute."""


class Tracing(Protocol):
    """The interface of traces. Spans never contain values or the path of a request, because these are about persons."""

    def requests(self, app: ASGIApp) -> ASGIApp:
        """The application with a span for each request, except for health and metrics."""

    def metrics(self, metrics: Metrics) -> RequestMetrics:
        """Observes requests, with their trace as an exemplar."""

    def batcher(self, fetch: Fetch[K, V], **limits: int) -> Batcher[K, V]:
        """A batcher whose fetches are spans, linked with every request that shares them."""

    def part(self, name: str, attributes: Mapping[str, Any], *, outbound: bool) -> AbstractContextManager[Part]:
        """A span within the current one; no span if there is no current one."""

    def flush(self) -> None:
        """Send the remaining spans. Blocks for a few seconds at most."""


_tracing: Tracing | None = None


def tracing() -> Tracing | None:
    """The traces of this process; None if they are off."""
    return _tracing


def batcher(fetch: Fetch[K, V], **limits: int) -> Batcher[K, V]:
    """A batcher. If requests are traced, its fetches are spans."""
    return Batcher(fetch, **limits) if _tracing is None else _tracing.batcher(fetch, **limits)


@contextmanager
def traced_by(traces: Tracing | None) -> Iterator[None]:
    """Use this for the traces of objects that are made meanwhile."""
    global _tracing  # noqa: PLW0603 -- of the process, as its logs are
    before, _tracing = _tracing, traces
    try:
        yield
    finally:
        _tracing = before


def configure_tracing(service: str, settings: TracingSettings | None = None) -> None:
    """Configure the traces of the process from the variables."""
    global _tracing  # noqa: PLW0603 -- of the process, as its logs are
    exporter = (settings or TracingSettings()).exporter
    if exporter is None:
        return
    try:
        from service_kit.telemetry.spans import exporting_spans  # noqa: PLC0415 -- of an extra
    except ModuleNotFoundError as missing:
        log.warning("tracing_not_installed", missing=missing.name, needs="service-kit[otel]")
        return
    _tracing = exporting_spans(service, exporter)
    if _tracing is None:
        log.warning("tracing_off", exporter=exporter, known=["otlp", "console", "none"])
