"""Whether this process traces requests, and what does it. Off unless OTEL_* variables ask for it; then nothing is added.

What can be traced asks `tracing()` once, when it is made, and is made without a trace of it where the answer is None.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.types import ASGIApp

from service_kit.telemetry.metrics import Metrics, RequestMetrics

if TYPE_CHECKING:
    from service_kit.batching import Batcher
    from service_kit.request.ask import Ask

K = TypeVar("K")
V = TypeVar("V")

log = structlog.get_logger()


class TracingSettings(BaseSettings):
    """The standard variables that say whether there are traces. The SDK itself reads all others."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", frozen=True, extra="ignore")

    sdk_disabled: bool = Field(default=False, description="No traces, whatever else is set.")
    traces_exporter: str | None = Field(
        default=None, description="Where spans go: otlp, console, or none. Where an OTLP endpoint is set: otlp."
    )
    exporter_otlp_endpoint: str | None = Field(default=None, description="Address of a collector (OTLP over HTTP).")
    exporter_otlp_traces_endpoint: str | None = Field(default=None, description="The same, for traces alone.")

    @property
    def exporter(self) -> str | None:
        """Where spans go; None: nowhere."""
        given = (self.traces_exporter or "").strip().lower()
        if self.sdk_disabled or given == "none":
            return None
        if not given and (self.exporter_otlp_endpoint or self.exporter_otlp_traces_endpoint):
            return "otlp"
        return given or None


class Part(Protocol):
    """A part of a request that is being timed."""

    def headers(self) -> Mapping[str, str]:
        """What tells another service which trace it is in."""

    def note(self, name: str, value: str | int) -> None:
        """Add an attribute."""


class Tracing(Protocol):
    """What traces. Its spans never hold values of a request, nor its path: both are about persons."""

    def requests(self, app: ASGIApp) -> ASGIApp:
        """The application, each request to it a span; health and metrics apart."""

    def metrics(self, metrics: Metrics) -> RequestMetrics:
        """What observes requests, with their trace as an exemplar."""

    def batcher(
        self, fetch: "Callable[[Sequence[K], Ask[object]], Awaitable[Mapping[K, V | Exception]]]", **limits: int
    ) -> "Batcher[K, V]":
        """A batcher whose fetches are spans, linked with every request that shares them."""

    def part(self, name: str, attributes: Mapping[str, Any], *, outbound: bool) -> AbstractContextManager[Part]:
        """A span within the current one; nothing where there is none."""

    def flush(self) -> None:
        """Send what is left. Blocks, for seconds at most."""


_tracing: Tracing | None = None


def tracing() -> Tracing | None:
    """What traces the requests of this process; None where nothing does."""
    return _tracing


@contextmanager
def traced_by(traces: Tracing | None) -> Iterator[None]:
    """What is made meanwhile is traced by this."""
    global _tracing  # noqa: PLW0603 -- of the process, as its logs are
    before, _tracing = _tracing, traces
    try:
        yield
    finally:
        _tracing = before


def configure_tracing(service: str, settings: TracingSettings | None = None) -> None:
    """Set up the process's traces as the variables say."""
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
