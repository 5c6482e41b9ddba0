"""Writes to the online store and the history, and the erasure of a client: the SQL and the pool that writes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
from prometheus_client import CollectorRegistry, Counter

from feature_service.errors import LoadRunning
from feature_service.postgres import FAULTS, LOST, revealed, unavailable
from feature_service.settings import Settings
from shared_schemas import FeatureWrite

LOADERS_LOCK = 0x6372_6564_6974
"""The advisory lock that a load holds while it runs."""

_CONNECTIONS = 2
_ERASURE_SECONDS = 8.0
"""An erasure reads the whole quarantine."""

# Writers of one client meet at its row of the online store, and each merges into what the one before has left there. The
# shared lock keeps them from an erasure; client ids are positive, and so no other lock has these numbers.
_WRITE = """
    WITH written AS (
        INSERT INTO online_features AS stored (client_id, event_timestamp, nb_previous_loans, avg_amount_loans_previous,
                                               age, years_on_the_job, flag_own_car)
        SELECT $1::bigint, $2::timestamptz, $4::integer, $5::double precision, $6::integer, $7::integer, $8::smallint
          FROM pg_advisory_xact_lock_shared(-$1::bigint)
            ON CONFLICT (client_id) DO UPDATE
           SET event_timestamp = excluded.event_timestamp,
               nb_previous_loans = CASE WHEN 'nb_previous_loans' = ANY ($3::text[])
                                        THEN excluded.nb_previous_loans ELSE stored.nb_previous_loans END,
               avg_amount_loans_previous = CASE WHEN 'avg_amount_loans_previous' = ANY ($3::text[])
                                                THEN excluded.avg_amount_loans_previous
                                                ELSE stored.avg_amount_loans_previous END,
               age = CASE WHEN 'age' = ANY ($3::text[]) THEN excluded.age ELSE stored.age END,
               years_on_the_job = CASE WHEN 'years_on_the_job' = ANY ($3::text[])
                                       THEN excluded.years_on_the_job ELSE stored.years_on_the_job END,
               flag_own_car = CASE WHEN 'flag_own_car' = ANY ($3::text[])
                                   THEN excluded.flag_own_car ELSE stored.flag_own_car END
         WHERE stored.event_timestamp <= excluded.event_timestamp
     RETURNING client_id, event_timestamp, nb_previous_loans, avg_amount_loans_previous, age, years_on_the_job, flag_own_car),
    kept AS (
        INSERT INTO feature_history (client_id, event_timestamp, nb_previous_loans, avg_amount_loans_previous, age,
                                     years_on_the_job, flag_own_car)
        SELECT client_id, event_timestamp, nb_previous_loans, avg_amount_loans_previous, age, years_on_the_job, flag_own_car
          FROM written
            ON CONFLICT (client_id, event_timestamp, loan_id) DO UPDATE
           SET nb_previous_loans = excluded.nb_previous_loans,
               avg_amount_loans_previous = excluded.avg_amount_loans_previous, age = excluded.age,
               years_on_the_job = excluded.years_on_the_job, flag_own_car = excluded.flag_own_car, known_at = now())
    SELECT EXISTS (SELECT FROM written)
"""

_NO_LOAD = "SELECT pg_try_advisory_xact_lock_shared($1)"
_NO_WRITES = "SELECT pg_advisory_xact_lock(-$1::bigint)"
_ERASE = """
    WITH current AS (DELETE FROM online_features WHERE client_id = $1 RETURNING 1),
         past AS (DELETE FROM feature_history WHERE client_id = $1 RETURNING 1),
         refused AS (DELETE FROM quarantine WHERE row->>'id' ~ $2 OR row->>'text' ~ $3 RETURNING 1)
    SELECT EXISTS (SELECT FROM current) OR EXISTS (SELECT FROM past) OR EXISTS (SELECT FROM refused)
"""


class WriteMetrics:
    """Counts by what became of a write; never by client or value."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.writes = Counter(
            "feature_writes", "Vectors that were written, or came too late.", ("result",), registry=registry
        )
        for result in ("applied", "stale"):
            self.writes.labels(result)  # at 0 from the start, so that the first one is an increase
        self.deletes = Counter("feature_deletes", "Clients that were erased.", registry=registry)


class FeatureWriter:
    """Writes and erases vectors. Raises StoreUnavailable when PostgreSQL cannot answer.

    What ends with its connection is done again, once, on a new one: done twice, either leaves the same behind. (Where the
    first time had reached the database, an erasure then finds nothing any more.)
    """

    def __init__(self, pool: asyncpg.Pool, timeout_seconds: float, metrics: WriteMetrics) -> None:
        self._pool = pool
        self._timeout = timeout_seconds
        self._metrics = metrics

    async def write(self, client_id: int, vector: FeatureWrite) -> bool:
        """Merge into what is stored. False, and nothing is changed, where that is of a later instant."""
        values = (vector.nb_previous_loans, vector.avg_amount_loans_previous, vector.age, vector.years_on_the_job)
        given = list(vector.model_fields_set)

        async def merged(connection: asyncpg.Connection) -> bool:
            return bool(
                await connection.fetchval(
                    _WRITE, client_id, vector.event_timestamp, given, *values, vector.flag_own_car
                )
            )

        applied = await self._done(merged, self._timeout)
        self._metrics.writes.labels("applied" if applied else "stale").inc()
        return applied

    async def erase(self, client_id: int) -> bool:
        """Leave no trace of the client. False where there was none. Raises LoadRunning."""

        async def erased(connection: asyncpg.Connection) -> bool:
            # Statements of their own: each sees what was there when it began, and so the last one all that came before.
            async with connection.transaction():
                if not await connection.fetchval(_NO_LOAD, LOADERS_LOCK):
                    raise LoadRunning
                await connection.execute(_NO_WRITES, client_id)
                return bool(await connection.fetchval(_ERASE, client_id, *_traces(client_id)))

        found = await self._done(erased, _ERASURE_SECONDS)
        if found:
            self._metrics.deletes.inc()
        return found

    async def _done(self, work: Callable[[asyncpg.Connection], Awaitable[bool]], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                try:
                    return await self._once(work)
                except LOST:
                    await self._pool.expire_connections()  # the others will have ended, too
                    return await self._once(work)
        except FAULTS as fault:
            raise unavailable(fault) from fault

    async def _once(self, work: Callable[[asyncpg.Connection], Awaitable[bool]]) -> bool:
        async with self._pool.acquire() as connection:
            return await work(connection)


def _traces(client_id: int) -> tuple[str, str]:
    """Patterns of PostgreSQL: the id of a refused line in each form that the loader takes, and the id within a text."""
    number = rf"0*{client_id}(\.0+)?"
    return rf"^\s*{number}\s*$", rf"(?<![0-9.]){number}(?!\.?[0-9])"


@asynccontextmanager
async def open_writer(settings: Settings, metrics: WriteMetrics) -> AsyncIterator[FeatureWriter | None]:
    """A writer, whose pool connects when there is something to write; None where no role to write as is configured."""
    if settings.writer_database_url is None:
        yield None
        return
    pool = asyncpg.create_pool(
        revealed(settings.writer_database_url),
        password=revealed(settings.writer_database_password),
        min_size=0,
        max_size=_CONNECTIONS,
        timeout=settings.database_timeout_seconds,
        command_timeout=_ERASURE_SECONDS,
        server_settings={
            "application_name": "feature_service",
            "default_transaction_isolation": "read committed",  # what the statements here count on
        },
    )
    await pool
    try:
        yield FeatureWriter(pool, settings.database_timeout_seconds, metrics)
    finally:
        try:
            async with asyncio.timeout(settings.database_timeout_seconds):
                await pool.close()
        except FAULTS:
            pool.terminate()
