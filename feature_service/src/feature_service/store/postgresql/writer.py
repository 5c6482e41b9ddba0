"""Writes to the online store and the history, and erasures of clients."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg
import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter

from feature_service.errors import BeforeRetention, LoadRunning
from feature_service.settings import Settings
from feature_service.store.online import Said
from feature_service.store.postgresql.work import Work, open_work
from service_kit.problems import StoreUnavailable
from service_kit.request.ask import Ask
from shared_schemas.online_items import Change
from shared_schemas.shards import ONLY, Shard

log = structlog.get_logger()

LOADERS_LOCK = 0x6372_6564_6974
"""The advisory lock that a load holds while it runs."""

_ERASURE_SECONDS = 8.0
"""An erasure reads the whole quarantine."""

# The function appends the write to the history, and recomputes the online vector by the law of time, under a lock of the
# client that keeps it from other writes and from an erasure. It returns the keys that newer events name.
_WRITE = "SELECT write_features($1::bigint, $2::timestamptz, $3::json)"

_BEFORE_RETENTION = "CR001"
"""The error code of the function for an instant before the retained history."""

_NO_LOAD = "SELECT pg_try_advisory_xact_lock_shared($1)"
_NO_WRITES = "SELECT pg_advisory_xact_lock(-$1::bigint)"
# Writes and raw events apart: each has an index of its own, and neither should be searched in the whole history.
# A refused line that could not be read as cells is the client's if the id stands where the column of ids is: its place is
# that in `columns`, or `id_column`, or the first. $6 is the name of that column. $3 is a quick check that rules out most lines.
_ERASE = """
    WITH current AS (DELETE FROM online_features WHERE client_id = $1 RETURNING 1),
         written AS (DELETE FROM feature_history WHERE client_id = $1 AND event_id IS NULL RETURNING 1),
         past AS (DELETE FROM feature_history WHERE client_id = $1 AND event_id IS NOT NULL RETURNING 1),
         refused AS (
             DELETE FROM quarantine
              WHERE row->>$6 ~ $2
                 OR (row->>'text' ~ $3
                     AND (SELECT cell[1] FROM regexp_matches(row->>'text', $4, 'g') WITH ORDINALITY AS c (cell, position)
                           WHERE position::text = coalesce(
                                 (SELECT min(place)::text
                                    FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(row->'columns') = 'array'
                                                                        THEN row->'columns' ELSE '[]' END)
                                         WITH ORDINALITY AS n (name, place)
                                   WHERE name = $6),
                                 row->>'id_column', '1')) ~ $5)
          RETURNING 1)
    SELECT EXISTS (SELECT FROM current) OR EXISTS (SELECT FROM written) OR EXISTS (SELECT FROM past)
        OR EXISTS (SELECT FROM refused)
"""


# The vector as this transaction leaves it, under the revision that it is marked with. Written by triggers, which are there
# while changes are published.
_CHANGE = """
    SELECT c.rev, timestamptz_send(o.event_timestamp), o.v, o.times
      FROM online_changes AS c LEFT JOIN online_features AS o USING (client_id)
     WHERE c.client_id = $1
"""
_PUBLISHING = (
    "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'online_features'::regclass AND tgname = 'online_erased')"
)


class Written(NamedTuple):
    """The result of a write.

    `stale`: keys that have newer events. `change`: of the online vector, if changes are published.
    """

    stale: Sequence[str]
    change: Change | None


class Erased(NamedTuple):
    """The result of an erasure. `change` is None if there was nothing that could have been published."""

    found: bool
    change: Change | None


class WriteMetrics:
    """Counts writes by their result; never by client or value."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.writes = Counter(
            "feature_writes",
            "Writes that count for some feature (applied), or for none (stale).",
            ("result",),
            registry=registry,
        )
        for result in ("applied", "stale"):
            self.writes.labels(result)  # starts at 0, so that the first one is an increase
        self.deletes = Counter("feature_deletes", "Clients that were erased.", registry=registry)


class FeatureWriter:
    """Writes and erases vectors in PostgreSQL.

    Raises StoreUnavailable if PostgreSQL cannot answer, and DeadlineExceeded at the caller's deadline; then the write
    may still happen, or not. Writes and erasures have separate connections, because erasures take long. Work whose
    connection ends is repeated once on a new one. Both are idempotent: a repeated write or erasure leaves the same
    behind (a repeated erasure may find nothing any more).

    `publishes`: the caller copies each change to another store and gets it in the result. If changes are not marked
    there, nothing is changed.
    """

    def __init__(self, writes: Work, erasures: Work, metrics: WriteMetrics, *, publishes: bool = False) -> None:
        self._writes = writes
        self._erasures = erasures
        self._metrics = metrics
        self._publishes = publishes

    async def write(self, client_id: int, said: Said, ask: Ask[object]) -> Sequence[str]:
        return (await self.written(client_id, said, ask)).stale

    async def erase(self, client_id: int, id_column: str, ask: Ask[object]) -> bool:
        erased = await self.erased(client_id, id_column, ask)
        if erased.found:
            self._metrics.deletes.inc()
        return erased.found

    async def written(self, client_id: int, said: Said, ask: Ask[object]) -> Written:
        """Add an event. Raises BeforeRetention."""
        values = orjson.dumps(said.values).decode()

        async def work(connection: asyncpg.Connection) -> Written:
            if not self._publishes:
                return Written(await connection.fetchval(_WRITE, client_id, said.event_timestamp, values), None)
            async with connection.transaction():
                stale = await connection.fetchval(_WRITE, client_id, said.event_timestamp, values)
                change = await _change(connection, client_id)
                if change is None:
                    raise _not_marked(ask)
                return Written(stale, change)

        try:
            written = await self._writes.done(work, ask)
        except asyncpg.PostgresError as fault:
            if fault.sqlstate == _BEFORE_RETENTION:
                raise BeforeRetention from fault
            raise
        self._metrics.writes.labels("applied" if len(written.stale) < len(said.values) else "stale").inc()
        return written

    async def erased(self, client_id: int, id_column: str, ask: Ask[object]) -> Erased:
        """Erase the client from this database.

        Raises LoadRunning. Not counted here: the client may have traces in other databases.
        """

        async def work(connection: asyncpg.Connection) -> Erased:
            # Separate statements: each sees what was committed when it began, so the last one sees all earlier
            # writes.
            async with connection.transaction():
                if self._publishes and not await connection.fetchval(_PUBLISHING):
                    raise _not_marked(ask)
                if not await connection.fetchval(_NO_LOAD, LOADERS_LOCK):
                    raise LoadRunning
                await connection.execute(_NO_WRITES, client_id)
                found = await connection.fetchval(_ERASE, client_id, *_traces(client_id), id_column)
                return Erased(bool(found), await _change(connection, client_id) if self._publishes else None)

        erased: Erased = await self._erasures.done(work, ask)
        return erased


def _not_marked(ask: Ask[object]) -> StoreUnavailable:
    log.error("online_changes_are_not_marked", request_id=ask.request_id, remedy="python -m db_init publish")
    return StoreUnavailable()


async def _change(connection: asyncpg.Connection, client_id: int) -> Change | None:
    row = await connection.fetchrow(_CHANGE, client_id)
    return None if row is None else Change.of_row(client_id, *row)


_CELL = r'("(?:[^"]|"")*"|[^,]*)(?:,|$)'
"""A cell of a CSV line. A quote without its closing quote is an ordinary character."""


def _traces(client_id: int) -> tuple[str, str, str, str]:
    """PostgreSQL patterns: the id as a value, the id anywhere in a text, a cell of a text, the id as a cell.

    They match each form of the id that the loader accepts.
    """
    number = rf"0*{client_id}(\.0+)?"
    return rf"^\s*{number}\s*$", rf"(?<![0-9.]){number}(?!\.?[0-9])", _CELL, rf'^\s*"?\s*{number}\s*"?\s*$'


@asynccontextmanager
async def open_record_writer(
    settings: Settings, metrics: WriteMetrics, shard: Shard = ONLY, *, publishes: bool = False
) -> AsyncIterator[FeatureWriter | None]:
    """A writer, whose pool connects at the first write; None if no role for writes is configured."""
    if settings.writer_database_url is None:
        yield None
        return
    async with (
        open_work(settings, settings.database_timeout_seconds, shard) as writes,
        open_work(settings, _ERASURE_SECONDS, shard) as erasures,
    ):
        yield FeatureWriter(writes, erasures, metrics, publishes=publishes)
