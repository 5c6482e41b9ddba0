"""The connection pool for reads, and its timeouts."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import asyncpg

from feature_service.settings import Settings
from feature_service.store.postgresql.faults import FAULTS, LOST, RETRIES, checking, revealed, statement, unavailable
from service_kit.problems import DeadlineExceeded, StoreUnavailable
from service_kit.request.ask import Ask
from service_kit.telemetry.tracing import Tracing, tracing
from shared_schemas.shards import ONLY, Shard


class Reader:
    """Runs statements that only read. Raises StoreUnavailable if PostgreSQL does not answer in `timeout_seconds`."""

    def __init__(self, pool: asyncpg.Pool, connections: int, timeout_seconds: float, shard: Shard = ONLY) -> None:
        self._pool = pool
        self.shard = shard
        self.timeout_seconds = timeout_seconds
        self._turns = asyncio.Semaphore(connections)
        self._connections = connections
        self._leaving = set[asyncio.Task[None]]()
        # Taken from the pool once and kept: returning and fetching a connection costs as much as a lookup.
        self._held: list[asyncpg.pool.PoolConnectionProxy] = []

    async def warm(self, sql: str, *arguments: object) -> None:
        """Open all connections with a statement. If PostgreSQL is away, lookups will open them later."""
        ask = Ask("warm-up", asyncio.get_running_loop().time() + 2 * self.timeout_seconds, None)
        with suppress(StoreUnavailable, DeadlineExceeded):
            await asyncio.gather(*(self.fetch(ask, sql, *arguments) for _ in range(self._connections)))

    async def fetch(self, ask: Ask[object], sql: str, *arguments: object) -> list[asyncpg.Record]:
        latest = asyncio.get_running_loop().time() + self.timeout_seconds
        until = min(ask.deadline, latest)
        try:
            async with asyncio.timeout_at(until), self._turns:
                try:
                    return await self._ask(sql, *arguments)
                except LOST:
                    # The others will have ended, too, and the URL may name a replica that still answers. Everything here
                    # only reads: retry once, on a new connection.
                    RETRIES.inc()
                    await self._give_up_held()
                    return await self._ask(sql, *arguments)
        except FAULTS as fault:
            if until < latest and isinstance(fault, TimeoutError):
                raise DeadlineExceeded from fault
            raise unavailable(fault, ask, self.shard) from fault

    async def _ask(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await self._take()
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
        except BaseException:
            # In a task: the driver first cancels the query, and a silent server does not answer that either.
            leaving = asyncio.create_task(self._hand_back(connection))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            raise
        self._held.append(connection)
        return rows

    async def _take(self) -> "asyncpg.pool.PoolConnectionProxy":
        while self._held:
            connection = self._held.pop()
            with suppress(asyncpg.InterfaceError):  # the pool has noticed first and taken the connection back
                if not connection.is_closed():
                    return connection
            await self._pool.release(connection)
        return await self._pool.acquire()

    async def _hand_back(self, connection: "asyncpg.pool.PoolConnectionProxy") -> None:
        """Return the connection to the pool, which replaces it if it is broken."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
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
        """Return all connections to the pool."""
        while self._held:
            await self._pool.release(self._held.pop())


class TracedReader(Reader):
    """A reader whose statements are spans. They contain the text of the statement, never its values."""

    def __init__(
        self, pool: asyncpg.Pool, connections: int, timeout_seconds: float, shard: Shard, traces: Tracing
    ) -> None:
        super().__init__(pool, connections, timeout_seconds, shard)
        self._traces = traces

    async def _ask(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        with self._traces.part(*statement(sql), outbound=True) as part:
            rows = await super()._ask(sql, *arguments)
            part.note("db.response.returned_rows", len(rows))
            return rows


async def _no_reset(_: asyncpg.Connection) -> None:
    """A connection without a reset when it returns to the pool, because nothing is ever set on it."""


@asynccontextmanager
async def open_reader(
    settings: Settings,
    *,
    url: str | None = None,
    shard: Shard = ONLY,
    connections: int | None = None,
    seconds: float | None = None,
    server_settings: Mapping[str, str] | None = None,
    target_session_attrs: str | None = None,
) -> AsyncIterator[Reader]:
    """A reader. Its pool is opened, or opens as soon as PostgreSQL answers. Defaults come from the settings."""
    limits = connections or settings.database_connections, seconds or settings.database_timeout_seconds
    pool = asyncpg.create_pool(
        url or settings.database_urls[shard.number - 1],
        password=revealed(settings.database_password),
        min_size=0,
        max_size=2 * limits[0],  # half of them replace connections that hang
        timeout=limits[1],
        command_timeout=limits[1],
        max_inactive_connection_lifetime=0,
        init=checking(shard),
        reset=_no_reset,
        server_settings={"application_name": "feature_service", **(server_settings or {})},
        target_session_attrs=target_session_attrs,
    )
    await pool
    traces = tracing()
    reader = Reader(pool, *limits, shard) if traces is None else TracedReader(pool, *limits, shard, traces)
    try:
        yield reader
    finally:
        try:
            async with asyncio.timeout(settings.database_timeout_seconds):
                await reader.let_go()
                await pool.close()
        except FAULTS:
            pool.terminate()
