"""Prometheus metrics of the champion's monitoring. Labels are streams, groups and versions, never clients or values."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import structlog
from prometheus_client import CollectorRegistry, Gauge

from decision_log import LogUnavailable
from prediction_service.clock import Clock
from prediction_service.monitor.answers import Fairness, Performance, Stability, Watched, first_day
from prediction_service.monitor.tables import Tables
from prediction_service.monitoring.reference import CALIBRATION
from prediction_service.recording.log import Recording
from prediction_service.versions.catalogue import reference_of
from prediction_service.versions.serving import Models

log = structlog.get_logger()

SECONDS = 30.0
_STABILITY_DAYS, _FAIRNESS_DAYS = 28, 365


class MonitoringMetrics:
    """The metrics of monitoring. A figure without enough data has no sample."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"prediction_monitoring_{name}", text, labels, registry=registry)

        self._log_evidence = gauge("log_evidence", "Largest log e-value of the stream.", "stream")
        self._log_threshold = gauge("log_threshold", "The log e-value at which the stream raises an alarm.", "stream")
        self._alarm = gauge("alarm", "1 while an alarm of the stream is open.", "stream", "severity")
        self._psi = gauge("psi", "Population stability index of the last 28 days.", "stream")
        self._clients = gauge("clients", "Clients with a decision in the last 28 days.", "stream")
        self._air = gauge("air", "Adverse impact ratio of the last 365 days.", "group")
        self._outcomes = gauge("outcomes", "Outcomes of matured decisions.", "model_version")
        self._defaults = gauge("defaults", "Defaults among the outcomes of matured decisions.", "model_version")
        self._auc = gauge("auc", "AUC of matured decisions.", "model_version")
        self._ratio = gauge("observed_to_expected", "Defaults divided by the sum of probabilities.", "model_version")
        self._folded = gauge("folded_timestamp_seconds", "Time of the last count of decisions: seconds since 1970.")

    async def refresh(self, tables: Tables, models: Models, today: date) -> None:
        """Read the metrics again. Raises LogUnavailable; then they keep their values."""
        champion = models.served_champion
        if champion is None:
            return
        reference = await asyncio.to_thread(reference_of, models.model_dir, champion.version)
        watched = await Watched(tables, champion.version, reference).read(None)
        stability = await watched.stability(first_day(today, _STABILITY_DAYS), None)
        fairness = await watched.fairness(first_day(today, _FAIRNESS_DAYS), None)
        performance = await watched.performance(0, by_month=False, deadline=None)
        alarms = [one for one in await tables.alarms("open") if one["model_version"] == champion.version]
        self._clear()
        self._show_streams(stability, fairness, performance)
        self._show_total(champion.version, performance)
        for alarm in alarms:
            self._alarm.labels(alarm["stream"], alarm["severity"]).set(1)
        if stability.folded_at is not None:
            self._folded.set(stability.folded_at.timestamp())

    def _clear(self) -> None:
        for gauge in (self._log_evidence, self._log_threshold, self._alarm, self._psi, self._clients, self._air,
                      self._outcomes, self._defaults, self._auc, self._ratio):  # fmt: skip
            gauge.clear()

    def _show_streams(self, stability: Stability, fairness: Fairness, performance: Performance) -> None:
        found = [(one.name, one.log_e, stability.log_threshold) for one in stability.quantities]
        found += [(one.group, one.log_e, fairness.log_threshold) for one in fairness.groups]
        found.append((CALIBRATION, performance.log_e, performance.log_threshold))
        for stream, log_e, threshold in found:
            if log_e is not None:
                self._log_evidence.labels(stream).set(log_e)
            if threshold is not None:
                self._log_threshold.labels(stream).set(threshold)
        for quantity in stability.quantities:
            self._clients.labels(quantity.name).set(quantity.clients)
            if quantity.psi is not None:
                self._psi.labels(quantity.name).set(quantity.psi)
        for group in fairness.groups:
            if group.air is not None:
                self._air.labels(group.group).set(group.air.value)

    def _show_total(self, version: str, performance: Performance) -> None:
        total = performance.total
        if total is None:
            return
        self._outcomes.labels(version).set(total.outcomes)
        self._defaults.labels(version).set(total.defaults)
        if total.auc is not None:
            self._auc.labels(version).set(total.auc.value)
        if total.observed_to_expected is not None:
            self._ratio.labels(version).set(total.observed_to_expected)


@asynccontextmanager
async def kept_up_to_date(
    metrics: MonitoringMetrics, models: Models, recording: Recording, clock: Clock
) -> AsyncIterator[None]:
    """Refresh the metrics twice a minute in a background task, if decisions are recorded."""
    if not recording.on:
        yield
        return
    task = asyncio.create_task(_refresh(metrics, models, Tables(recording.log.database), clock))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _refresh(metrics: MonitoringMetrics, models: Models, tables: Tables, clock: Clock) -> None:
    while True:
        await asyncio.sleep(SECONDS)
        try:
            await metrics.refresh(tables, models, clock().date())
        except LogUnavailable as fault:
            log.warning("monitoring_metrics_kept", cause=fault.cause)
        except Exception:  # log the defect and try again next time
            log.exception("monitoring_metrics_failed")
