"""Evaluates outcomes of matured decisions: figures by month, evidence of calibration, champion against challenger."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import orjson

from decision_log import Database
from prediction_service.decisions.past import vector_of
from prediction_service.decisions.retention import months_before
from prediction_service.monitoring.calibration import (
    MIN_COVERAGE,
    START_MONTHS,
    Month,
    Sums,
    added,
    outcome_sums,
    strongest_month,
)
from prediction_service.monitoring.comparison import Compared, Comparison, compare
from prediction_service.monitoring.evidence import Evidence
from prediction_service.monitoring.performance import Matured, Period, performance
from prediction_service.monitoring.reference import Reference
from prediction_service.monitoring.state import COUNTED_ORIGINS, month_of
from prediction_service.versions.serving import ServedModel

_NO_SUMS: Sums = (0.0,) * 189

# In the order of decision. The outcome that was observed last counts. Only decisions since $5 have their record.
_MATURED = """
    SELECT r.client_id, r.decided_at, (said.document ->> 'probability')::float8 AS probability,
           (said.document ->> 'label')::int AS label, CASE WHEN r.decided_at >= $5 THEN r.record END AS record, o.defaulted
      FROM records AS r
     CROSS JOIN LATERAL (SELECT convert_from(r.record, 'UTF8')::json AS document) AS said
      LEFT JOIN LATERAL (SELECT defaulted FROM outcomes WHERE outcomes.decision_id = r.decision_id
                          ORDER BY observed_at DESC LIMIT 1) AS o ON true
     WHERE r.kind = 'decision' AND r.model_version = $1 AND r.origin = ANY ($2::text[])
       AND r.decided_at >= $3 AND r.decided_at <= $4
     ORDER BY r.decided_at, r.decision_id
"""
_MONTH = """
    INSERT INTO monitoring_months (model_version, month, sums, figures) VALUES ($1, $2, $3, $4)
        ON CONFLICT (model_version, month) DO UPDATE SET sums = excluded.sums, figures = excluded.figures
"""
_REPORT = """
    INSERT INTO monitoring_reports (model_version, name, report) VALUES ($1, $2, $3)
        ON CONFLICT (model_version, name) DO UPDATE SET report = excluded.report, made_at = now()
"""


class Outcome(NamedTuple):
    """A matured decision that counts. `record`: its JSON, if the challenger existed at the time; else None."""

    decided_at: datetime
    probability: float
    label: int
    defaulted: bool | None
    record: bytes | None

    @property
    def matured(self) -> Matured:
        return Matured(self.probability, self.defaulted)


class Spell(NamedTuple):
    """The period of matured decisions, from `first` to `last`. Only one per client within `horizon` counts."""

    first: datetime
    last: datetime
    horizon: timedelta


def spell(now: datetime, horizon_days: int) -> Spell:
    """The last 24 months of decisions that are at least as old as the horizon."""
    horizon = timedelta(days=horizon_days)
    last = now - horizon
    first = months_before(last.replace(day=1, hour=0, minute=0, second=0, microsecond=0), START_MONTHS - 1)
    return Spell(first, last, horizon)


def counted(rows: Iterable[Mapping[str, Any]], horizon: timedelta) -> list[Outcome]:
    """The decisions that count, in the order of decision: for each client only the first within the horizon."""
    latest: dict[int, datetime] = {}
    found = []
    for row in rows:
        client, decided_at = row["client_id"], row["decided_at"]
        if client in latest and decided_at - latest[client] < horizon:
            continue
        latest[client] = decided_at
        found.append(Outcome(decided_at, row["probability"], row["label"], row["defaulted"], row["record"]))
    return found


class Figures(NamedTuple):
    months: Mapping[date, tuple[Sums, Period]]
    total: Period


def figures(outcomes: Sequence[Outcome], reference: Reference) -> Figures:
    by_month: dict[date, list[Matured]] = {}
    for one in outcomes:
        by_month.setdefault(month_of(one.decided_at.astimezone(UTC).date()), []).append(one.matured)
    months = {
        month: (month_sums(decisions, reference), performance(decisions, reference, month))
        for month, decisions in by_month.items()
    }
    return Figures(months, performance([one.matured for one in outcomes], reference))


def month_sums(decisions: Sequence[Matured], reference: Reference) -> Sums:
    parts = [outcome_sums(p, y, reference.mean_log_odds) for p, y in decisions if y is not None]
    return added(parts) if parts else _NO_SUMS


def calibration(months: Iterable[tuple[date, Sums, int, int]], not_before: date, effect: float) -> Evidence:
    """The evidence about calibration, without a start if too many outcomes are missing.

    `months`: for each its first day, sums, number of decisions, and number of outcomes.
    """
    taken = [one for one in months if one[0] >= not_before]
    decisions, outcomes = sum(one[2] for one in taken), sum(one[3] for one in taken)
    if not outcomes or outcomes < MIN_COVERAGE * decisions:
        return Evidence(0.0, None)
    return strongest_month([Month(month, sums) for month, sums, _, _ in taken], effect)


Models = tuple[ServedModel, ServedModel]
"""Champion and challenger."""


def both_since(models: Models) -> datetime:
    """The time from which both models existed."""
    return max(map(_created, models))


def _created(model: ServedModel) -> datetime:
    moment = model.manifest.created_at
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def comparison(outcomes: Sequence[Outcome], models: Models, level: float) -> Comparison:
    """Compare the models on the decisions whose record exists and contains every input of the challenger."""
    _, challenger = models
    pairs = [(one, vector_of(orjson.loads(one.record))) for one in outcomes if one.record is not None]
    pairs = [(one, vector) for one, vector in pairs if challenger.names <= vector.keys()]
    rows = [challenger.quality.check(vector, one.decided_at).values for one, vector in pairs]
    theirs = await challenger.probabilities(rows) if rows else []
    decided = [
        Compared(one.probability, probability, one.label == 1, probability >= challenger.threshold, one.defaulted)
        for (one, _), probability in zip(pairs, theirs, strict=True)
    ]
    return await asyncio.to_thread(compare, decided, level)


class Outcomes:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, version: str, when: Spell, records_since: datetime | None) -> list[Outcome]:
        """The matured decisions of a version. Those made since `records_since` have their record."""
        origins = sorted(COUNTED_ORIGINS)
        rows = await self._database.fetch(None, _MATURED, version, origins, when.first, when.last, records_since)
        return await asyncio.to_thread(counted, rows, when.horizon)

    async def store(self, version: str, found: Figures, erased_days: Iterable[date], at: datetime) -> None:
        """Store the figures, made at `at`. Months with erased records keep their stored figures."""
        kept = {month_of(day) for day in erased_days}

        async def work(connection: asyncpg.Connection) -> None:
            for month, (sums, period) in found.months.items():
                if month not in kept:
                    await connection.execute(_MONTH, version, month, list(sums), period.model_dump_json())
            await connection.execute(_REPORT, version, "total", found.total.model_dump_json())
            await connection.execute("UPDATE monitoring_progress SET matured_at = $1", at)

        await self._database.write(work, None)

    async def store_comparison(self, version: str, challenger: str, found: Comparison) -> None:
        report = {"challenger": challenger, **found.model_dump(mode="json")}

        async def work(connection: asyncpg.Connection) -> None:
            await connection.execute(_REPORT, version, "comparison", orjson.dumps(report).decode())

        await self._database.write(work, None)
