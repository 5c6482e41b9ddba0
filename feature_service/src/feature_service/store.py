"""The online store and the history in PostgreSQL: the SQL and the pool that reads."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import asyncpg
import orjson

from feature_service.errors import StoreUnavailable
from feature_service.postgres import FAULTS, LOST, revealed, unavailable
from feature_service.settings import Settings
from service_kit.batching import Batcher, Call
from service_kit.problems import DeadlineExceeded

_CURRENT = """
    SELECT client_id, nb_previous_loans, avg_amount_loans_previous, age, years_on_the_job, flag_own_car, event_timestamp
      FROM online_features
     WHERE client_id = ANY($1::bigint[])
"""

# Ages are those of the instant asked about; where no date is known (a vector that was imported or written), as stored.
# At one instant such a vector, which has no loan, counts over those of loans.
_AS_OF = """
    SELECT wanted.position, wanted.client_id, h.nb_previous_loans, h.avg_amount_loans_previous,
           CASE WHEN h.birthday IS NULL THEN h.age
                WHEN h.birthday <= wanted.day THEN extract(year FROM age(wanted.day, h.birthday))::integer END AS age,
           CASE WHEN h.job_start_date IS NULL THEN h.years_on_the_job
                WHEN h.job_start_date <= wanted.day THEN extract(year FROM age(wanted.day, h.job_start_date))::integer
            END AS years_on_the_job,
           h.flag_own_car, h.event_timestamp
      FROM (SELECT client_id, as_of, (as_of AT TIME ZONE 'UTC')::date AS day, position
              FROM unnest($1::bigint[], $2::timestamptz[]) WITH ORDINALITY AS u (client_id, as_of, position)) AS wanted
     CROSS JOIN LATERAL (
           SELECT event_timestamp, birthday, job_start_date, nb_previous_loans, avg_amount_loans_previous, age,
                  years_on_the_job, flag_own_car
             FROM feature_history
            WHERE client_id = wanted.client_id AND event_timestamp <= wanted.as_of
            ORDER BY event_timestamp DESC, loan_id DESC NULLS FIRST
            LIMIT 1) AS h
"""


def encode(row: Mapping[str, object]) -> bytes:
    """The JSON of one vector, as the shared schema describes it."""
    return orjson.dumps(dict(row), option=orjson.OPT_UTC_Z)


def encode_batch(client_ids: Sequence[int], vectors: Mapping[int, bytes]) -> bytes:
    """The JSON of a batch: vectors in the order of the ids, and the ids that have none."""
    found = b",".join(vectors[client_id] for client_id in client_ids if client_id in vectors)
    missing = [client_id for client_id in client_ids if client_id not in vectors]
    return b'{"features":[' + found + b'],"not_found":' + orjson.dumps(missing) + b"}"


async def _no_reset(_: asyncpg.Connection) -> None:
    """Nothing is ever set on a connection, so nothing needs resetting when it goes back to the pool."""


class FeatureStore:
    """Reads vectors, already encoded. Raises StoreUnavailable when PostgreSQL cannot answer."""

    def __init__(self, pool: asyncpg.Pool, connections: int, timeout_seconds: float) -> None:
        self._pool = pool
        self._timeout = timeout_seconds
        self._turns = asyncio.Semaphore(connections)
        self._connections = connections
        self._leaving = set[asyncio.Task[None]]()
        # Taken from the pool once and kept while they work: to hand one back and fetch it again costs as much as a lookup.
        self._held: list[asyncpg.pool.PoolConnectionProxy] = []
        self._coalesced: Batcher[int, bytes] = Batcher(self._current)
        self._coalesced_as_of: Batcher[tuple[int, datetime], bytes] = Batcher(self._at_instants)

    async def vector(self, client_id: int, call: Call, as_of: datetime | None = None) -> bytes | None:
        """The vector of a client, current or as of an instant. Concurrent calls share queries."""
        try:
            if as_of is None:
                return await self._coalesced.get(client_id, call)
            return await self._coalesced_as_of.get((client_id, as_of), call)
        except TimeoutError as fault:
            raise DeadlineExceeded from fault

    async def vectors(self, client_ids: Iterable[int], call: Call, as_of: datetime | None = None) -> dict[int, bytes]:
        """The vectors of those clients that have one (at that instant), by id."""
        ids = list(set(client_ids))
        if as_of is None:
            return await self._current(ids, call)
        found = await self._at_instants([(client_id, as_of) for client_id in ids], call)
        return {client_id: vector for (client_id, _), vector in found.items()}

    async def _current(self, client_ids: Sequence[int], call: Call) -> dict[int, bytes]:
        return {row["client_id"]: encode(row) for row in await self._fetch(call.deadline, _CURRENT, client_ids)}

    async def _at_instants(
        self, wanted: Sequence[tuple[int, datetime]], call: Call
    ) -> dict[tuple[int, datetime], bytes]:
        rows = await self._fetch(
            call.deadline, _AS_OF, [client_id for client_id, _ in wanted], [instant for _, instant in wanted]
        )
        found = {}
        for row in rows:
            vector = dict(row)
            position = vector.pop("position")
            found[wanted[position - 1]] = encode(vector)
        return found

    async def ping(self) -> None:
        await self._fetch(None, "SELECT 1 FROM online_features LIMIT 1")

    async def warm(self) -> None:
        """Open every connection. Where PostgreSQL is away, lookups will open them."""
        with suppress(StoreUnavailable):
            await asyncio.gather(*(self._fetch(None, _CURRENT, []) for _ in range(self._connections)))

    async def _fetch(self, deadline: float | None, sql: str, *arguments: object) -> list[asyncpg.Record]:
        latest = asyncio.get_running_loop().time() + self._timeout
        until = latest if deadline is None else min(deadline, latest)
        try:
            async with asyncio.timeout_at(until), self._turns:
                try:
                    return await self._ask(sql, *arguments)
                except LOST:
                    # The others will have ended, too, and the URL may name a replica that still answers. Everything here
                    # only reads: ask anew, once, on a new connection.
                    await self._give_up_held()
                    return await self._ask(sql, *arguments)
        except FAULTS as fault:
            if until < latest and isinstance(fault, TimeoutError):
                raise DeadlineExceeded from fault
            raise unavailable(fault) from fault

    async def _ask(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await self._take()
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
        except BaseException:
            # Aside: a query that was given up is cancelled first, and a server that is silent does not answer that either.
            leaving = asyncio.create_task(self._hand_back(connection))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            raise
        self._held.append(connection)
        return rows

    async def _take(self) -> "asyncpg.pool.PoolConnectionProxy":
        while self._held:
            connection = self._held.pop()
            with suppress(asyncpg.InterfaceError):  # the pool has noticed first, and taken it back
                if not connection.is_closed():
                    return connection
            await self._pool.release(connection)
        return await self._pool.acquire()

    async def _hand_back(self, connection: "asyncpg.pool.PoolConnectionProxy") -> None:
        """Back to the pool, which replaces it if it is broken."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._pool.release(connection)
        except FAULTS:
            with suppress(asyncpg.InterfaceError):
                connection.terminate()

    async def _give_up_held(self) -> None:
        while self._held:
            connection = self._held.pop()
            with suppress(asyncpg.InterfaceError):
                connection.terminate()
            await self._pool.release(connection)

    async def let_go(self) -> None:
        """Hand every connection back to the pool."""
        while self._held:
            await self._pool.release(self._held.pop())


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[FeatureStore]:
    """A store whose pool is open, or opens itself as soon as PostgreSQL is there."""
    pool = asyncpg.create_pool(
        revealed(settings.database_url),
        password=revealed(settings.database_password),
        min_size=0,
        max_size=2 * settings.database_connections,  # half of them for what takes the place of those that hang
        timeout=settings.database_timeout_seconds,
        command_timeout=settings.database_timeout_seconds,
        max_inactive_connection_lifetime=0,
        reset=_no_reset,
        server_settings={"application_name": "feature_service"},
    )
    await pool
    store = FeatureStore(pool, settings.database_connections, settings.database_timeout_seconds)
    await store.warm()
    try:
        yield store
    finally:
        try:
            async with asyncio.timeout(settings.database_timeout_seconds):
                await store.let_go()
                await pool.close()
        except FAULTS:
            pool.terminate()
