"""Access to the decision log: opens it as configured, and translates its failures into problems."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog
from prometheus_client import CollectorRegistry, Gauge
from pydantic import SecretStr

from decision_log import DecisionLog, Entry, LogUnavailable, Source, open_decision_log
from prediction_service.errors import DecisionLogOff, DecisionLogUnavailable
from prediction_service.recording.origin import compare_origin
from prediction_service.settings import Settings
from service_kit.request.ask import Ask
from service_kit.telemetry.metrics import retries
from service_kit.telemetry.tracing import Tracing, tracing

log = structlog.get_logger()

T = TypeVar("T")

_RETRIES = retries.labels("decision_log")


class Recording:
    """The decision log of this process, or none if recording is off."""

    def __init__(self, decision_log: DecisionLog | None) -> None:
        self._log = decision_log
        self._retried = 0

    @property
    def on(self) -> bool:
        return self._log is not None

    @property
    def log(self) -> DecisionLog:
        """The decision log. Raises DecisionLogOff if recording is off."""
        if self._log is None:
            raise DecisionLogOff
        return self._log

    async def record(self, entries: Sequence[Entry], ask: Ask[object]) -> None:
        """Return when all entries are committed. Raises DecisionLogUnavailable; then no answer may be sent."""
        recorder = self.log.recorder
        try:
            await asked(recorder.record(entries, ask.deadline), ask)
        finally:
            if recorder.retries != self._retried:
                _RETRIES.inc(recorder.retries - self._retried)
                self._retried = recorder.retries


class TracedRecording(Recording):
    """Records decisions with a span in the trace of the request."""

    def __init__(self, decision_log: DecisionLog, traces: Tracing) -> None:
        super().__init__(decision_log)
        self._traces = traces

    async def record(self, entries: Sequence[Entry], ask: Ask[object]) -> None:
        attributes = {"db.system.name": "postgresql", "db.namespace": "decisions", "decisions": len(entries)}
        with self._traces.part("record", attributes, outbound=True):
            await super().record(entries, ask)


async def asked(answer: Awaitable[T], ask: Ask[object]) -> T:
    """Await an answer of the decision log. Raises DecisionLogUnavailable instead of LogUnavailable."""
    try:
        return await answer
    except LogUnavailable as fault:
        log.warning("decision_log_failed", cause=fault.cause, request_id=ask.request_id)
        raise DecisionLogUnavailable from fault


def report(registry: CollectorRegistry, *, recording: bool) -> None:
    """Register the metric that says whether this process records decisions."""
    Gauge("decision_log_recording", "1 if decisions are recorded, 0 if recording is off.", registry=registry).set(
        recording
    )


@asynccontextmanager
async def open_recording(settings: Settings) -> AsyncIterator[Recording]:
    """Open the decision log as configured. Raises AnotherLog for the log of another installation in a demonstration."""
    if not settings.decision_log:
        log.warning("decision_log_off")
        yield Recording(None)
        return
    timeout = settings.decision_log_timeout_seconds
    writer = Source(
        settings.decision_log_database_url.get_secret_value(), _text(settings.decision_log_database_password), timeout
    )
    eraser = None
    if url := settings.decision_log_eraser_database_url:
        eraser = Source(url.get_secret_value(), _text(settings.decision_log_eraser_database_password), timeout)
    async with open_decision_log(writer, eraser, read_connections=settings.decision_log_read_connections) as opened:
        await compare_origin(opened, settings)
        traces = tracing()
        yield Recording(opened) if traces is None else TracedRecording(opened, traces)


def _text(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
