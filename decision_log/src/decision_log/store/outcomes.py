"""Outcomes that were observed after decisions. Rows are only added; the newest `observed_at` of a decision counts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg

from decision_log.store.postgres import Database

MOST = 1_000
"""Maximum number of outcomes in one call."""

# The reason to refuse each outcome, in the order of the call; NULL if it can be stored.
_JUDGE = """
    SELECT CASE WHEN r.decision_id IS NULL THEN 'unknown' WHEN given.observed_at > now() THEN 'in_future'
                WHEN given.observed_at < r.decided_at THEN 'before_decision' END
      FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS given (decision_id, observed_at, position)
      LEFT JOIN records AS r ON r.decision_id = given.decision_id AND r.kind = 'decision'
     ORDER BY position
"""
# Insert in the order of the keys, so that two calls with the same outcomes cannot deadlock.
_ADD = """
    INSERT INTO outcomes (decision_id, observed_at, defaulted)
    SELECT decision_id, observed_at, defaulted FROM unnest($1::uuid[], $2::timestamptz[], $3::boolean[])
        AS given (decision_id, observed_at, defaulted) ORDER BY decision_id, observed_at
        ON CONFLICT (decision_id, observed_at) DO NOTHING
    RETURNING decision_id, observed_at
"""
_STORED = """
    SELECT decision_id, observed_at, defaulted FROM outcomes
      JOIN unnest($1::uuid[], $2::timestamptz[]) AS given (decision_id, observed_at) USING (decision_id, observed_at)
"""


class Outcome(NamedTuple):
    """The outcome of one decision. `observed_at` has a time zone."""

    decision_id: UUID
    observed_at: datetime
    defaulted: bool


class Refused(NamedTuple):
    """An outcome that was not stored. `conflict`: the opposite is stored for this decision and `observed_at`."""

    decision_id: UUID
    reason: Literal["before_decision", "in_future", "conflict"]


class Taken(NamedTuple):
    accepted: int
    unchanged: int
    unknown: Sequence[UUID]
    refused: Sequence[Refused]


class Outcomes:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, outcomes: Sequence[Outcome], deadline: float | None = None) -> Taken:
        """Store the outcomes that are valid, in one transaction. Safe to repeat. Raises LogUnavailable."""

        async def work(connection: asyncpg.Connection) -> Taken:
            return await _added(connection, outcomes)

        try:
            return await self._database.write(work, deadline)
        except asyncpg.ForeignKeyViolationError:  # a decision was erased between the two statements: now it is unknown
            return await self._database.write(work, deadline)


async def _added(connection: asyncpg.Connection, outcomes: Sequence[Outcome]) -> Taken:
    ids, instants = [each.decision_id for each in outcomes], [each.observed_at for each in outcomes]
    verdicts = [row[0] for row in await connection.fetch(_JUDGE, ids, instants)]
    distinct: dict[tuple[UUID, datetime], Outcome] = {}
    for each, verdict in zip(outcomes, verdicts, strict=True):
        if verdict is None:
            distinct.setdefault(each[:2], each)
    columns = list(zip(*distinct.values(), strict=True)) or [(), (), ()]
    added = {tuple(row) for row in await connection.fetch(_ADD, *columns)}
    stored = {tuple(row)[:2]: row["defaulted"] for row in await connection.fetch(_STORED, *columns[:2])}
    unchanged = 0
    unknown: list[UUID] = []
    refused: list[Refused] = []
    accepted = len(added)
    for each, verdict in zip(outcomes, verdicts, strict=True):
        if verdict == "unknown":
            unknown.append(each.decision_id)
        elif verdict is not None:
            refused.append(Refused(each.decision_id, verdict))
        elif stored[each[:2]] != each.defaulted:
            refused.append(Refused(each.decision_id, "conflict"))
        elif each[:2] in added:
            added.discard(each[:2])
        else:
            unchanged += 1
    return Taken(accepted, unchanged, unknown, refused)
