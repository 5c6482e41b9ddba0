"""Shadow scoring: the challenger scores the decisions of the champion, and metrics count how far the two agree."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from prediction_service.scoring.decision import Model

log = structlog.get_logger()

MOST_ROWS = 10_000
"""Maximum rows in the queue. Further rows are dropped, so that a slow challenger costs neither memory nor latency."""

_TURN = 100
"""Rows that are scored in one event loop iteration: 0.1 ms with tables."""

_DIFFERENCES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


class ShadowMetrics:
    """Metrics of shadow scoring, by version of the challenger; never by client or value."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows = Counter(
            "prediction_shadow_rows",
            "Decisions that the challenger scored too, by whether its label is the champion's.",
            ("challenger", "agreement"),
            registry=registry,
        )
        self.difference = Histogram(
            "prediction_shadow_difference",
            "Absolute difference of the two probabilities of default.",
            ("challenger",),
            buckets=_DIFFERENCES,
            registry=registry,
        )
        self.errors = Counter(
            "prediction_shadow_errors",
            "Decisions that the challenger failed to score.",
            ("challenger",),
            registry=registry,
        )
        self.skipped = Counter(
            "prediction_shadow_skipped",
            "Decisions that the challenger did not score, because the served features are not those that it reads.",
            ("challenger",),
            registry=registry,
        )
        self.dropped = Counter(
            "prediction_shadow_dropped",
            "Decisions that the challenger did not score, because too many were waiting.",
            ("challenger",),
            registry=registry,
        )


class Decided(NamedTuple):
    """Vectors, with the probabilities and the threshold of the champion."""

    vectors: Sequence[Mapping[str, Any]]
    probabilities: Sequence[float]
    threshold: float


class Shadow:
    """Queues decisions and compares them later. Its failures affect no answer."""

    def __init__(self, metrics: ShadowMetrics, challenger: Callable[[], Model | None]) -> None:
        self._metrics = metrics
        self._challenger = challenger
        self._waiting: asyncio.Queue[Decided] = asyncio.Queue()
        self._rows_waiting = 0
        self.fits: Callable[[Model], bool] = lambda _: True
        """Whether the served features are those that a model reads."""

    def offer(self, decided: Decided) -> None:
        challenger = self._challenger()
        if challenger is None:
            return
        if not self.fits(challenger):
            self._metrics.skipped.labels(challenger.version).inc(len(decided.vectors))
            return
        if self._rows_waiting + len(decided.vectors) > MOST_ROWS:
            self._metrics.dropped.labels(challenger.version).inc(len(decided.vectors))
            return
        self._rows_waiting += len(decided.vectors)
        self._waiting.put_nowait(decided)

    async def run(self) -> None:
        """Compare queued decisions until the task is cancelled."""
        while True:
            decided = await self._waiting.get()
            for start in range(0, len(decided.vectors), _TURN):
                turn = slice(start, start + _TURN)
                part = Decided(decided.vectors[turn], decided.probabilities[turn], decided.threshold)
                if challenger := self._challenger():
                    await self._compare(challenger, part)
                self._rows_waiting -= len(part.vectors)
                await asyncio.sleep(0)

    async def _compare(self, challenger: Model, decided: Decided) -> None:
        try:
            check = challenger.quality.check
            found = await challenger.probabilities([check(vector).values for vector in decided.vectors])
            pairs = list(zip(found, decided.probabilities, strict=True))
        except Exception as error:  # noqa: BLE001 -- a foreign estimator may raise anything
            self._metrics.errors.labels(challenger.version).inc(len(decided.vectors))
            log.warning("challenger_failed", version=challenger.version, error=type(error).__name__)
            return
        agreed = sum((theirs >= challenger.threshold) == (ours >= decided.threshold) for theirs, ours in pairs)
        self._metrics.rows.labels(challenger.version, "agree").inc(agreed)
        self._metrics.rows.labels(challenger.version, "disagree").inc(len(pairs) - agreed)
        difference = self._metrics.difference.labels(challenger.version)
        for theirs, ours in pairs:
            difference.observe(abs(theirs - ours))
