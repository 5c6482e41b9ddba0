"""Folds records of decisions into counts: each record once, in the order of arrival."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import asyncpg
import orjson

from decision_log import Database
from prediction_service.clock import Clock, machine_clock
from prediction_service.monitor.populations import Populations
from prediction_service.monitoring.calibration import log_odds
from prediction_service.monitoring.state import COUNTED_ORIGINS, CountKey, Decided, decision_counts
from prediction_service.monitoring.windows import START_DAYS

AT_ONCE = 2_000
_SETTLE_SECONDS, _MOST_LOOKS = 0.05, 100

_NEWEST = "SELECT coalesce(max(arrival), 0) FROM records"
_BOUND = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_PASSED = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $1"

# Counted decisions by arrival, each with the newest day of the client's earlier ones by the same version.
_NEXT = """
    SELECT r.arrival, r.model_version, (r.decided_at AT TIME ZONE 'UTC')::date AS day, r.record,
           (before.decided_at AT TIME ZONE 'UTC')::date AS previous_day
      FROM records AS r
      LEFT JOIN LATERAL (
           SELECT decided_at FROM records AS b
            WHERE b.client_id = r.client_id AND b.model_version = r.model_version AND b.kind = 'decision'
              AND b.origin = ANY ($3::text[]) AND b.arrival < r.arrival
            ORDER BY b.decided_at DESC, b.decision_id DESC LIMIT 1) AS before ON true
     WHERE r.arrival > $1 AND r.arrival <= $2 AND r.kind = 'decision' AND r.origin = ANY ($3::text[])
     ORDER BY r.arrival LIMIT $4
"""
_ADD = """
    INSERT INTO monitoring_counts AS kept (model_version, stream, day, previous_day, bin, clients, log_odds, squares)
    SELECT * FROM unnest($1::text[], $2::text[], $3::date[], $4::date[], $5::smallint[], $6::bigint[],
                         $7::double precision[], $8::double precision[])
        ON CONFLICT (model_version, stream, day, previous_day, bin) DO UPDATE
       SET clients = kept.clients + excluded.clients, log_odds = kept.log_odds + excluded.log_odds,
           squares = kept.squares + excluded.squares
"""
# If two processes fold the same records, only one of them updates this row and stores counts.
_PROCEED = "UPDATE monitoring_progress SET arrival = $1, folded_at = $3 WHERE arrival = $2 RETURNING true"

_Sums = dict[tuple[str, CountKey], list[float]]


async def settled(database: Database) -> int:
    """Return the newest arrival up to which no further record can appear: all transactions that may add one have ended.

    Returns 0 if some of them have not ended after 5 seconds.
    """
    [[newest]] = await database.fetch(None, _NEWEST)
    await asyncio.sleep(_SETTLE_SECONDS)  # a record has its arrival shortly before its transaction shows as running
    [[bound]] = await database.fetch(None, _BOUND)
    for _ in range(_MOST_LOOKS):
        [[passed]] = await database.fetch(None, _PASSED, bound)
        if passed:
            return int(newest)
        await asyncio.sleep(_SETTLE_SECONDS)
    return 0


class FoldedElsewhere(Exception):
    """Another process has already folded these records."""


class Rebuilt(NamedTuple):
    """A rebuild: records up to the arrival `until` are counted again. Days with erased records keep their counts."""

    until: int = 0
    kept_days: frozenset[date] = frozenset()


class Folding:
    def __init__(
        self,
        database: Database,
        populations: Populations,
        rebuilt: Rebuilt = Rebuilt(),  # noqa: B008 -- immutable
        clock: Clock = machine_clock,
        share: float = 1.0,
    ) -> None:
        """`share`: the maximum share of time for folding a backlog, including the work of the database."""
        self._database = database
        self._populations = populations
        self._rebuilt = rebuilt
        self._clock = clock
        self._share = share

    async def fold(self, arrival: int, until: int) -> int:
        """Fold the records after `arrival`, up to `until`. Return the number of counted decisions."""
        counted = 0
        while arrival < until:
            began = time.monotonic()
            rows = await self._database.fetch(None, _NEXT, arrival, until, sorted(COUNTED_ORIGINS), AT_ONCE)
            sums: _Sums = {}
            for row in rows:
                counted += await self._count(row, sums)
            reached = rows[-1]["arrival"] if len(rows) == AT_ONCE else until
            await self._store(sums, arrival, reached)
            arrival = reached
            if len(rows) == AT_ONCE:
                await asyncio.sleep((time.monotonic() - began) * (1 / self._share - 1))
        return counted

    async def _count(self, row: Mapping[str, Any], sums: _Sums) -> bool:
        record = orjson.loads(row["record"])
        population = await self._populations.of(row["model_version"], record["manifest_sha256"])
        if population is None or (row["arrival"] <= self._rebuilt.until and row["day"] in self._rebuilt.kept_days):
            return False
        probability = record["probability"]
        decided = Decided(
            row["day"],
            _recent(row["previous_day"], row["day"]),
            probability,
            record["label"],
            population.checked(record),
        )
        keys = decision_counts(population.reference, decided)
        odds = log_odds(probability)
        for key in keys:
            added = sums.setdefault((row["model_version"], key), [0, 0.0, 0.0])
            added[0] += 1
            added[1] += odds
            added[2] += odds * odds
        return bool(keys)

    async def _store(self, sums: _Sums, arrival: int, reached: int) -> None:
        rows: Sequence[tuple[Any, ...]] = [(version, *key, *added) for (version, key), added in sums.items()]

        async def work(connection: asyncpg.Connection) -> None:
            if not await connection.fetchval(_PROCEED, reached, arrival, self._clock()):
                raise FoldedElsewhere
            if rows:
                await connection.execute(_ADD, *zip(*rows, strict=True))

        await self._database.write(work, None)


def _recent(previous_day: date | None, day: date) -> date | None:
    """The previous day, or None if it is before the start of every window."""
    return previous_day if previous_day and previous_day >= day - timedelta(days=START_DAYS) else None
