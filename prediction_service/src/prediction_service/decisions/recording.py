"""The decision log as this service uses it: opened by the settings, its failures translated to problems."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog
from prometheus_client import CollectorRegistry, Gauge
from pydantic import SecretStr

from decision_log import DecisionLog, Entry, LogUnavailable, Source, open_decision_log
from prediction_service.decisions.origin import compare_origin
from prediction_service.errors import DecisionLogOff, DecisionLogUnavailable
from prediction_service.settings import Settings
from service_kit.request.ask import Ask
from service_kit.telemetry.metrics import retries
from service_kit.telemetry.tracing import Tracing, tracing

log = structlog.get_logger()

T = TypeVar("T")

_RETRIES = retries.labels("decision_log")


class Recording:
    """Whether and where decisions are recorded. Everything that is asked of the log goes through here."""

    def __init__(self, decision_log: DecisionLog | None) -> None:
        self._log = decision_log
        self._retried = 0

    @property
    def on(self) -> bool:
        return self._log is not None

    @property
    def log(self) -> DecisionLog:
        """Raises DecisionLogOff."""
        if self._log is None:
            raise DecisionLogOff
        return self._log

    async def record(self, entries: Sequence[Entry], ask: Ask[object]) -> None:
        """Return when all are committed. Raises DecisionLogUnavailable: then no answer may leave."""
        recorder = self.log.recorder
        try:
            await asked(recorder.record(entries, ask.deadline), ask)
        finally:
            if recorder.retries != self._retried:
                _RETRIES.inc(recorder.retries - self._retried)
                self._retried = recorder.retries


class TracedRecording(Recording):
    """Recording is a span of each request that has something recorded."""

    def __init__(self, decision_log: DecisionLog, traces: Tracing) -> None:
        super().__init__(decision_log)
        self._traces = traces

    async def record(self, entries: Sequence[Entry], ask: Ask[object]) -> None:
        attributes = {"db.system.name": "postgresql", "db.namespace": "decisions", "decisions": len(entries)}
        with self._traces.part("record", attributes, outbound=True):
            await super().record(entries, ask)


async def asked(answer: Awaitable[T], ask: Ask[object]) -> T:
    """What the log answers. Raises DecisionLogUnavailable."""
    try:
        return await answer
    except LogUnavailable as fault:
        log.warning("decision_log_failed", cause=fault.cause, request_id=ask.request_id)
        raise DecisionLogUnavailable from fault


def report(registry: CollectorRegistry, *, recording: bool) -> None:
    """The metric that says whether this process records."""
    Gauge(
        "decision_log_recording", "1 while decisions are recorded, 0 where that is turned off.", registry=registry
    ).set(recording)


@asynccontextmanager
async def open_recording(settings: Settings) -> AsyncIterator[Recording]:
    """Raises AnotherLog."""
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
