"""Reads of records: one, a list, counts by day, the reviews of a decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from decision_log.entries import Listed, instant_of
from decision_log.store.postgres import Database

_GET = """
    SELECT record, NULL AS erased_by FROM records WHERE decision_id = $1
    UNION ALL SELECT NULL, erased_by FROM erasures WHERE decision_id = $1
"""

_LISTED = "decision_id, kind, decided_at, client_id, decision, score, model_version, origin, reviews"

# Newest first, by (decided_at, decision_id).
_LIST = f"""
    SELECT {_LISTED} FROM records
     WHERE ($1::bigint IS NULL OR client_id = $1) AND ($2::text IS NULL OR decision = $2)
       AND ($3::text IS NULL OR model_version = $3)
       AND decided_at >= $4 AND decided_at < $5 AND (decided_at, decision_id) < ($6, $7)
     ORDER BY decided_at DESC, decision_id DESC LIMIT $8
"""  # noqa: S608 -- names of our own

# NULL for records that were erased before `erasures` had this column.
_DECIDED = """
    SELECT decided_at FROM records WHERE decision_id = $1
    UNION ALL SELECT decided_at FROM erasures WHERE decision_id = $1
"""

_COUNTS = """
    SELECT (decided_at AT TIME ZONE 'UTC')::date AS day, model_version,
           count(*) FILTER (WHERE decision = 'approve') AS approve, count(*) FILTER (WHERE decision = 'refer') AS refer,
           count(*) FILTER (WHERE decision = 'decline') AS decline
      FROM records WHERE kind = 'decision' AND decided_at >= $1 AND decided_at < $2
     GROUP BY day, model_version ORDER BY day, model_version
"""

_REVIEWS = "SELECT record FROM records WHERE reviews = $1 ORDER BY decided_at, decision_id"

_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)
_LAST_ID = UUID(int=(1 << 128) - 1)
MOST_LISTED = 1_000


@dataclass(frozen=True)
class Erased:
    """The record existed and was erased. `by` is the id of the erasure, which is a record of the log."""

    by: UUID


class Query(NamedTuple):
    """Which records to list; None does not restrict. `start` <= decided_at < `end`. `before`: the last id of a page."""

    client_id: int | None = None
    decision: str | None = None
    model_version: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    before: UUID | None = None
    limit: int = 100


class Page(NamedTuple):
    """A page of a list, newest first. `next_before` is the `before` of the next page; None if there is none."""

    records: Sequence[Listed]
    next_before: UUID | None


class DayCount(NamedTuple):
    day: date
    model_version: str | None
    approve: int
    refer: int
    decline: int


class Records:
    """Reads records. Every method raises LogUnavailable. `deadline` is in the time of the running event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, decision_id: UUID, deadline: float | None = None) -> bytes | Erased | None:
        """The record's bytes as committed; None if it was never recorded."""
        rows = await self._database.fetch(deadline, _GET, decision_id)
        if not rows:
            return None
        [row, *_] = rows
        return Erased(row["erased_by"]) if row["record"] is None else bytes(row["record"])

    async def list(self, query: Query, deadline: float | None = None) -> Page:
        """Records of every kind that match. Reviews and erasures have no client, decision of a model, or origin."""
        limit = max(1, min(query.limit, MOST_LISTED))
        bound = await self._bound(query.before, deadline)
        rows = await self._database.fetch(
            deadline,
            _LIST,
            query.client_id,
            query.decision,
            query.model_version,
            query.start or _FIRST,
            query.end or _LAST,
            *bound,
            limit + 1,
        )
        found = [Listed(*row) for row in rows[:limit]]
        return Page(found, found[-1].decision_id if len(rows) > limit else None)

    async def _bound(self, before: UUID | None, deadline: float | None) -> tuple[datetime, UUID]:
        if before is None:
            return _LAST, _LAST_ID
        rows = await self._database.fetch(deadline, _DECIDED, before)
        return (rows[0]["decided_at"] if rows else None) or _not_before(before), before

    async def counts(self, start: datetime, end: datetime, deadline: float | None = None) -> Sequence[DayCount]:
        """The number of decisions by day (UTC) and model version, for start <= decided_at < end."""
        return [DayCount(*row) for row in await self._database.fetch(deadline, _COUNTS, start, end)]

    async def reviews(self, decision_id: UUID, deadline: float | None = None) -> Sequence[bytes]:
        """The records of the reviews of a decision, oldest first."""
        return [bytes(row["record"]) for row in await self._database.fetch(deadline, _REVIEWS, decision_id)]


def _not_before(decision_id: UUID) -> datetime:
    """The latest time at which a record with this id was decided: the id is made after it and holds the millisecond."""
    try:
        return datetime.fromtimestamp(instant_of(decision_id), UTC) + timedelta(milliseconds=1)
    except (OverflowError, ValueError, OSError):  # not an id of version 7
        return _LAST
