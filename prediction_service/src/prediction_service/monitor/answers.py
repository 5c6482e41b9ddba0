"""The answers of monitoring about a version: stability, performance, fairness, alarms."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from prediction_service.monitor.tables import CountRow, Progress, Stream, Tables
from prediction_service.monitor.watching import reference_counts
from prediction_service.monitoring.comparison import Comparison
from prediction_service.monitoring.evidence import ALPHA, Evidence, daily_threshold, monthly_threshold
from prediction_service.monitoring.fairness import GROUP_BINS, GroupFairness, Moments, Shown, group_fairness
from prediction_service.monitoring.performance import Period
from prediction_service.monitoring.reference import CALIBRATION, Quantity, Reference
from prediction_service.monitoring.stability import BinShare, QuantityStability, Severity, State, quantity_stability
from prediction_service.monitoring.windows import daily_counts

Lacking = Literal["population", "monitor", "decisions"]
"""Why there are no results: the version has no training population, was never monitored, or has no decisions."""

AlarmState = Literal["open", "acknowledged", "superseded"]
Action = Literal["keep_reference", "adopt_reference"]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class About(_Answer):
    """The version. `lacking`: why there are no results, else null. `folded_at`: when decisions were last counted."""

    model_version: str
    folded_at: datetime | None
    lacking: Lacking | None


class Stability(About):
    """Stability of the score and the features.

    A stream raises an alarm if its `log_e` reaches `log_threshold` and its change is large enough.
    """

    alpha: float
    streams: int | None
    log_threshold: float | None
    quantities: tuple[QuantityStability, ...]


class Compared(Comparison):
    """Champion against challenger on the same decisions."""

    challenger: str


class Performance(About):
    """Performance on decisions at least as old as the horizon. `log_e` is the evidence about calibration."""

    horizon_days: int
    log_e: float | None
    since: date | None
    log_threshold: float | None
    state: State
    total: Period | None
    periods: tuple[Period, ...]
    comparison: Compared | None


class Fairness(About):
    """Fairness of the groups of the feature set, each against all others. A ratio is a screen, not a verdict."""

    alpha: float
    log_threshold: float | None
    groups: tuple[GroupFairness, ...]


class RaisedAlarm(_Answer):
    """An alarm. `log_e`, `size` and `severity` are those at its opening; `log_e_now` is the newest evidence.

    `closed_by`: the name of the API key that acknowledged it.
    """

    id: str
    model_version: str
    stream: str
    state: AlarmState
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    action: Action | None
    since: date
    log_e: float
    log_e_now: float
    log_threshold: float
    size: float | None
    severity: Severity
    largest: BinShare | None


class Alarms(_Answer):
    """The newest 1,000 alarms, newest first."""

    alarms: tuple[RaisedAlarm, ...]


class Watched:
    """The stored results about a version, read once for an answer. `decides`: whether the version is the champion."""

    def __init__(self, tables: Tables, version: str, reference: Reference | None, *, decides: bool = True) -> None:
        self.tables = tables
        self.version = version
        self.reference = reference
        self._decides = decides
        self._streams: dict[str, Stream] = {}
        self._open: frozenset[str] = frozenset()
        self._progress: Progress | None = None

    async def read(self, deadline: float | None) -> "Watched":
        self._progress = await self.tables.progress(deadline)
        self._streams = await self.tables.streams(self.version, deadline)
        found = await self.tables.alarms("open", deadline)
        self._open = frozenset(one["stream"] for one in found if one["model_version"] == self.version)
        return self

    def about(self, *, decisions: bool) -> dict[str, Any]:
        lacking: Lacking | None = None if decisions else "decisions"
        if self.reference is None:
            lacking = "population"
        elif self._progress is None or self._progress.champion is None or self._not_taken_over(self._progress):
            lacking = "monitor"
        folded_at = self._progress.folded_at if self._progress else None
        return {"model_version": self.version, "folded_at": folded_at, "lacking": lacking}

    def _not_taken_over(self, progress: Progress) -> bool:
        """Whether the version is the champion, but the monitor has not processed its promotion yet."""
        return self._decides and progress.champion != self.version

    async def stability(self, start: date, deadline: float | None) -> Stability:
        quantities = []
        for quantity in self.reference.quantities if self.reference else ():
            rows = await self.tables.shown(self.version, quantity.name, start, deadline)
            quantities.append(await asyncio.to_thread(self._quantity, quantity, rows, start))
        return Stability(
            **self.about(decisions=any(one.clients for one in quantities)),
            alpha=ALPHA,
            streams=self.reference.streams if self.reference else None,
            log_threshold=daily_threshold(self.reference.streams) if self.reference else None,
            quantities=tuple(quantities),
        )

    def _quantity(self, quantity: Quantity, rows: Sequence[CountRow], start: date) -> QuantityStability:
        days = daily_counts([row.tally for row in rows], start, len(quantity.counts))
        counted = reference_counts(quantity, self._streams.get(quantity.name))
        return quantity_stability(counted, days, self._evidence(quantity.name), quantity.name in self._open)

    def _evidence(self, stream: str) -> Evidence:
        kept = self._streams.get(stream)
        return Evidence(kept.log_e, kept.since) if kept and kept.log_e is not None else Evidence(0.0, None)

    async def fairness(self, start: date, deadline: float | None) -> Fairness:
        groups = []
        for group in self.reference.groups if self.reference else ():
            rows = await self.tables.shown(self.version, group.name, start, deadline)
            groups.append(self._group(group.name, rows))
        return Fairness(
            **self.about(decisions=any(one.clients or one.others for one in groups)),
            alpha=ALPHA,
            log_threshold=daily_threshold(self.reference.streams) if self.reference else None,
            groups=tuple(groups),
        )

    def _group(self, name: str, rows: Sequence[CountRow]) -> GroupFairness:
        assert self.reference is not None  # noqa: S101 -- groups come from the reference
        clients = [sum(row.clients for row in rows if row.bin == index) for index in range(GROUP_BINS)]
        sides = [[row for row in rows if row.bin in bins] for bins in ((0, 1), (2, 3))]
        group, others = (_moments(side) for side in sides)
        return group_fairness(
            name,
            Shown(clients, (group, others)),
            self._evidence(name),
            design_effect=self.reference.score.design_effect,
            alarmed=name in self._open,
        )

    async def performance(self, horizon_days: int, *, by_month: bool, deadline: float | None) -> Performance:
        total = await self.tables.report(self.version, "total", deadline)
        months = await self.tables.months(self.version, deadline) if by_month else ()
        compared = await self.tables.report(self.version, "comparison", deadline)
        evidence = self._evidence(CALIBRATION)
        return Performance(
            **self.about(decisions=bool(total and total["decisions"])),
            horizon_days=horizon_days,
            log_e=evidence.log_e if evidence.since else None,
            since=evidence.since,
            log_threshold=monthly_threshold(self.reference.streams) if self.reference else None,
            state="alarm" if CALIBRATION in self._open else "quiet",
            total=Period.model_validate(total) if total else None,
            periods=tuple(Period.model_validate(found) for _, _, found in months),
            comparison=Compared.model_validate(compared) if compared else None,
        )


def _moments(rows: Sequence[CountRow]) -> Moments:
    return Moments(
        sum(row.clients for row in rows), sum(row.log_odds for row in rows), sum(row.squares for row in rows)
    )


def first_day(today: date, days: int) -> date:
    """The first of the last `days` days, including today."""
    return today - timedelta(days=days - 1)


async def alarms_of(tables: Tables, state: AlarmState | None, deadline: float | None) -> Alarms:
    return Alarms(alarms=tuple(RaisedAlarm(**found) for found in await tables.alarms(state, deadline)))
