"""Traces with OpenTelemetry. This is the only module that imports it, and it is imported only if traces are on."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.batching import Batcher, Waiter
from service_kit.request.ask import Ask
from service_kit.telemetry.metrics import Metrics, route_of

K = TypeVar("K")
V = TypeVar("V")

_FLUSH_MILLISECONDS = 3000


class Spans:
    """Creates spans with a tracer provider. See `Tracing`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("service_kit")

    def requests(self, app: ASGIApp) -> ASGIApp:
        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"].endswith("/metrics") or "/health/" in scope["path"]:
                await app(scope, receive, send)
                return
            status = 0

            async def noting(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            caller = propagate.extract(scope["headers"], getter=_HEADERS)
            given = {"http.request.method": scope["method"], "url.scheme": scope.get("scheme", "http")}
            with self._tracer.start_as_current_span(
                scope["method"], caller, kind=SpanKind.SERVER, attributes=given
            ) as span:
                where = span.get_span_context()
                scope.setdefault("log_fields", {})["trace_id"] = trace.format_trace_id(where.trace_id)
                try:
                    await app(scope, receive, noting)
                finally:
                    _describe(span, scope, status)

        return traced

    def metrics(self, metrics: Metrics) -> "WithExemplars":
        return WithExemplars(metrics)

    def batcher(
        self, fetch: Callable[[Sequence[K], Ask[object]], Awaitable[Mapping[K, V | Exception]]], **limits: int
    ) -> Batcher[K, V]:
        return TracedBatcher(fetch, self._tracer, **limits)

    @contextmanager
    def part(self, name: str, attributes: Mapping[str, Any], *, outbound: bool) -> Iterator["SpanPart"]:
        if not trace.get_current_span().get_span_context().is_valid:
            yield SpanPart(INVALID_SPAN)
            return
        kind = SpanKind.CLIENT if outbound else SpanKind.INTERNAL
        with self._tracer.start_as_current_span(name, kind=kind, attributes=dict(attributes)) as span:
            yield SpanPart(span)

    def flush(self) -> None:
        self._provider.force_flush(_FLUSH_MILLISECONDS)


def exporting_spans(service: str, exporter: str) -> Spans | None:
    """The processor that exports spans with the exporter of that name; None if there is no such exporter.

    All other options come from OTEL_* variables.
    """
    if exporter not in ("otlp", "console"):
        return None
    named = Resource.create({SERVICE_NAME: service}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=named)
    if exporter == "console":
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    else:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Spans(provider)


class SpanPart:
    def __init__(self, span: Span) -> None:
        self._span = span

    def headers(self) -> Mapping[str, str]:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier

    def note(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)


class WithExemplars:
    """Observes requests with an exemplar that names their trace, if it is recorded."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        where = trace.get_current_span().get_span_context()
        if not where.is_valid or not where.trace_flags.sampled:
            self._metrics.observe_request(route, method, status, seconds)
            return
        exemplar = {"trace_id": trace.format_trace_id(where.trace_id), "span_id": trace.format_span_id(where.span_id)}
        self._metrics.observe_traced_request(route, method, status, seconds, exemplar)


@dataclass(slots=True)
class _TracedAsk(Ask[object]):
    span: Span = INVALID_SPAN


class TracedBatcher(Batcher[K, V]):
    """A fetch is a span of the first recorded request that waits for it. Links connect it with the other requests."""

    def __init__(
        self,
        fetch: Callable[[Sequence[K], Ask[object]], Awaitable[Mapping[K, V | Exception]]],
        tracer: trace.Tracer,
        **limits: int,
    ) -> None:
        super().__init__(fetch, **limits)
        self._tracer = tracer

    async def get(self, key: K, ask: Ask[object], seconds: float = inf) -> V | None:
        traced = _TracedAsk(ask.request_id, ask.deadline, None, span=trace.get_current_span())
        return await super().get(key, traced, seconds)

    async def _serve(self, batch: dict[K, list[Waiter[V]]]) -> None:
        sharing = _spans_of(batch)
        # The task of a fetch starts in the context of an arbitrary request.
        token = contexts.attach(trace.set_span_in_context(sharing[0] if sharing else INVALID_SPAN, Context()))
        try:
            if not sharing:
                await super()._serve(batch)
                return
            links = [Link(span.get_span_context()) for span in sharing[1:]]
            counts = {"batch.keys": len(batch), "batch.requests": len(sharing)}
            with self._tracer.start_as_current_span("batch", links=links, attributes=counts) as span:
                for other in sharing[1:]:
                    other.add_link(span.get_span_context())
                await super()._serve(batch)
        finally:
            contexts.detach(token)


def _spans_of(batch: Mapping[K, Sequence[Waiter[V]]]) -> list[Span]:
    """The distinct spans of the lookups that wait, recorded ones first."""
    spans = {
        waiter.ask.span.get_span_context().span_id: waiter.ask.span
        for waiters in batch.values()
        for waiter in waiters
        if isinstance(waiter.ask, _TracedAsk) and not waiter.future.done()
    }
    valid = [span for span in spans.values() if span.get_span_context().is_valid]
    return sorted(valid, key=lambda span: not span.get_span_context().trace_flags.sampled)


class _Headers(Getter[list[tuple[bytes, bytes]]]):
    def get(self, carrier: list[tuple[bytes, bytes]], key: str) -> list[str] | None:
        wanted = key.lower().encode()
        return [value.decode("latin-1") for name, value in carrier if name == wanted] or None

    def keys(self, carrier: list[tuple[bytes, bytes]]) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier]


_HEADERS = _Headers()


def _describe(span: Span, scope: Scope, status: int) -> None:
    route = route_of(scope)
    span.update_name(f"{scope['method']} {route}")
    span.set_attribute("http.route", route)
    if request_id := scope.get("request_id"):
        span.set_attribute("request.id", request_id)
    if not status:
        span.set_attribute("error.type", "caller_gone")
        return
    span.set_attribute("http.response.status_code", status)
    if problem := scope.get("problem"):
        span.set_attribute("error.type", problem)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
