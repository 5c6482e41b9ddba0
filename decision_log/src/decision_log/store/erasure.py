"""Erasure of records that are older than the retention period. An erasure is itself a record of the log."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from decision_log.entries import Listed, sealed, uuid7
from decision_log.store.postgres import Database

_AT_ONCE = 1_000
"""Maximum number of decisions in one erasure, not counting their reviews."""
_LOCK = 0x6465_6369_7366

# Decisions that are due, with their reviews. A decision waits until it and all its reviews have an index in the log.
_DUE = """
    WITH due AS (
        SELECT decision_id, commitment FROM records AS r
         WHERE kind = 'decision' AND decided_at < $1 {whose}
           AND EXISTS (SELECT FROM leaves WHERE leaves.commitment = r.commitment)
           AND NOT EXISTS (SELECT FROM records AS review LEFT JOIN leaves USING (commitment)
                            WHERE review.reviews = r.decision_id AND leaves.index IS NULL)
         ORDER BY decided_at, decision_id LIMIT $2)
    SELECT index, decision_id FROM due JOIN leaves USING (commitment)
    UNION ALL
    SELECT index, records.decision_id FROM due JOIN records ON records.reviews = due.decision_id
      JOIN leaves ON leaves.commitment = records.commitment
     ORDER BY index
"""
_DUE_OF_CLIENT = _DUE.format(whose="AND client_id = $3")
_DUE_OF_ALL = _DUE.format(whose="")

# Keep `decided_at`: a list can continue after an erased record at which a page ended.
_ERASE = """
    WITH gone AS (DELETE FROM records WHERE decision_id = ANY ($1::uuid[]) RETURNING decision_id, decided_at)
    INSERT INTO erasures (decision_id, erased_by, decided_at) SELECT decision_id, $2, decided_at FROM gone
"""
_SAY = """
    WITH said AS (INSERT INTO records (decision_id, kind, decided_at, record, salt, commitment)
                  VALUES ($1, 'erasure', $2, $3, $4, $5) RETURNING commitment)
    INSERT INTO queue (commitment) SELECT commitment FROM said
"""
_REMAINING = """
    SELECT count(*) AS count, max(decided_at) AS newest FROM records WHERE kind = 'decision' AND client_id = $1
"""


class Remaining(NamedTuple):
    """The result of erasing a client: records erased, decisions that remain, and the time of the newest of those."""

    erased: int
    remaining: int
    newest: datetime | None


class Erasure:
    """Removes records and salts, as the role decision_eraser. Every method raises LogUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_client(
        self, client_id: int, older_than: datetime, caller: str | None, deadline: float | None = None
    ) -> Remaining:
        """Erase the client's decisions made before `older_than`, with their reviews and outcomes."""
        erased = 0
        while count := await self._erased(_DUE_OF_CLIENT, (older_than, _AT_ONCE, client_id), caller, deadline):
            erased += count
        [row] = await self._database.fetch(deadline, _REMAINING, client_id)
        return Remaining(erased, row["count"], row["newest"])

    async def some(self, older_than: datetime, caller: str | None, deadline: float | None = None) -> int:
        """Erase up to 1,000 decisions of any clients. Return the number of records erased; 0 if no more are due."""
        return await self._erased(_DUE_OF_ALL, (older_than, _AT_ONCE), caller, deadline)

    async def _erased(self, due: str, arguments: tuple[object, ...], caller: str | None, deadline: float | None) -> int:
        async def work(connection: asyncpg.Connection) -> int:
            # Lock in a separate statement, so that the next one sees the result of the erasure that held the lock.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            rows = await connection.fetch(due, *arguments)
            if rows:
                await _carry_out(connection, [(row["index"], row["decision_id"]) for row in rows], caller)
            return len(rows)

        try:
            return await self._database.write(work, deadline)
        except asyncpg.ForeignKeyViolationError:  # a review was recorded between the two statements
            return await self._database.write(work, deadline)


async def _carry_out(connection: asyncpg.Connection, doomed: Sequence[tuple[int, UUID]], caller: str | None) -> None:
    ids = [decision_id for _, decision_id in doomed]
    listed = Listed(uuid7(), "erasure", datetime.now(UTC))
    document = {
        "kind": listed.kind,
        "decision_id": listed.decision_id,
        "decided_at": listed.decided_at,
        "erased": [{"index": index, "decision_id": decision_id} for index, decision_id in doomed],
        "caller": caller,
    }
    entry = sealed(listed, document)
    await connection.execute(_ERASE, ids, listed.decision_id)
    await connection.execute(_SAY, *listed[:1], listed.decided_at, entry.record, entry.salt, entry.commitment)
