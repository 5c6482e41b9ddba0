"""Reads the tables of monitoring in the decision database: progress, counts, evidence, figures, alarms."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import orjson

from decision_log import Database
from prediction_service.monitoring.windows import Tally


class Progress(NamedTuple):
    """The progress of the monitor. `arrival`: the last folded record. `rebuild_until`: the last record to count again.

    `champion_since` is None for the first version that was ever monitored.
    """

    arrival: int
    rebuild_until: int
    folded_at: datetime | None
    matured_at: datetime | None
    champion: str | None
    champion_since: date | None


class Stream(NamedTuple):
    """A stream. Windows start on `not_before` or later; None: with the version.

    `adopted`: counts that replace those of training as the reference.
    """

    stream: str
    not_before: date | None
    adopted: tuple[int, ...] | None
    log_e: float | None
    since: date | None
    log_threshold: float | None


class CountRow(NamedTuple):
    """A tally, with the sum of the log-odds of its clients and the sum of their squares."""

    day: date
    previous_day: date | None
    bin: int
    clients: int
    log_odds: float
    squares: float

    @property
    def tally(self) -> Tally:
        return Tally(self.day, self.previous_day, self.bin, self.clients)


_PROGRESS = "SELECT arrival, rebuild_until, folded_at, matured_at, champion, champion_since FROM monitoring_progress"
# The first 48 bits of a UUID of version 7 are its time in milliseconds since 1970-01-01 UTC.
_ERASED_DAYS = """
    SELECT DISTINCT (to_timestamp(('x' || left(replace(decision_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
                     AT TIME ZONE 'UTC')::date
      FROM erasures
"""
_STREAMS = """
    SELECT stream, not_before, adopted, log_e, since, log_threshold FROM monitoring_streams WHERE model_version = $1
"""
# The window that starts on $3: each client counts on the day of its first decision on or after $3.
_SHOWN = """
    SELECT day, previous_day, bin, clients, log_odds, squares FROM monitoring_counts
     WHERE model_version = $1 AND stream = $2 AND day >= $3 AND (previous_day IS NULL OR previous_day < $3)
"""
_SUMMED = """
    SELECT day, previous_day, bin, clients, log_odds, squares FROM monitoring_counts
     WHERE model_version = $1 AND stream = $2 AND day >= $3
"""
_MONTHS = "SELECT month, sums, figures FROM monitoring_months WHERE model_version = $1 ORDER BY month"
_REPORT = "SELECT report FROM monitoring_reports WHERE model_version = $1 AND name = $2"
_ALARMS = """
    SELECT id, model_version, stream, state, opened_at, closed_at, closed_by, action, since, log_e, log_e_now,
           log_threshold, size, severity, largest
      FROM monitoring_alarms WHERE ($1::text IS NULL OR state = $1) ORDER BY opened_at DESC, id DESC LIMIT 1000
"""


class Tables:
    """Reads the tables of monitoring. Every method raises LogUnavailable. `deadline`: in loop time, or None."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def progress(self, deadline: float | None = None) -> Progress:
        [row] = await self._database.fetch(deadline, _PROGRESS)
        return Progress(*row)

    async def erased_days(self) -> frozenset[date]:
        """The days in UTC with erased records."""
        return frozenset(row[0] for row in await self._database.fetch(None, _ERASED_DAYS))

    async def streams(self, version: str, deadline: float | None = None) -> dict[str, Stream]:
        rows = await self._database.fetch(deadline, _STREAMS, version)
        found = [Stream(*row) for row in rows]
        return {one.stream: one._replace(adopted=tuple(one.adopted) if one.adopted else None) for one in found}

    async def shown(self, version: str, stream: str, start: date, deadline: float | None = None) -> Sequence[CountRow]:
        """The rows of the window that starts on `start`."""
        return [CountRow(*row) for row in await self._database.fetch(deadline, _SHOWN, version, stream, start)]

    async def tallies(self, version: str, stream: str, first: date) -> Sequence[Tally]:
        """The tallies of all windows that start on `first` or later."""
        return [CountRow(*row).tally for row in await self._database.fetch(None, _SUMMED, version, stream, first)]

    async def months(
        self, version: str, deadline: float | None = None
    ) -> Sequence[tuple[date, tuple[float, ...], dict[str, Any]]]:
        """Month, sums and figures of each month, oldest first."""
        rows = await self._database.fetch(deadline, _MONTHS, version)
        return [(row["month"], tuple(row["sums"]), orjson.loads(row["figures"])) for row in rows]

    async def report(self, version: str, name: str, deadline: float | None = None) -> dict[str, Any] | None:
        rows = await self._database.fetch(deadline, _REPORT, version, name)
        return orjson.loads(rows[0]["report"]) if rows else None

    async def alarms(self, state: str | None, deadline: float | None = None) -> Sequence[dict[str, Any]]:
        """The newest 1,000 alarms, newest first."""
        rows = await self._database.fetch(deadline, _ALARMS, state)
        return [
            dict(row) | {"id": str(row["id"]), "largest": orjson.loads(row["largest"]) if row["largest"] else None}
            for row in rows
        ]
