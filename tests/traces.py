"""Traces of applications in this process: spans kept in memory, and read by name."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from service_kit.telemetry.spans import Spans
from service_kit.telemetry.tracing import traced_by


class Traces:
    def __init__(self, kept: InMemorySpanExporter) -> None:
        self._kept = kept

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._kept.get_finished_spans())

    def named(self, name: str, trace: str | None = None) -> list[ReadableSpan]:
        """The spans of that name, of that trace if one is given."""
        return [span for span in self.spans if span.name == name and trace in (None, trace_of(span))]

    def only(self, name: str, trace: str | None = None, kind: SpanKind | None = None) -> ReadableSpan:
        [span] = [span for span in self.named(name, trace) if kind in (None, span.kind)]
        return span


def trace_of(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}"


def id_of(span: ReadableSpan) -> str:
    return f"{span.context.span_id:016x}"


def parent_of(span: ReadableSpan) -> str | None:
    return f"{span.parent.span_id:016x}" if span.parent else None


def links_of(span: ReadableSpan) -> set[str]:
    return {f"{link.context.span_id:016x}" for link in span.links}


@contextmanager
def kept_traces() -> Iterator[Traces]:
    """What is made meanwhile is traced."""
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    with traced_by(Spans(provider)):
        yield Traces(kept)
    provider.shutdown()
