"""Connections to PostgreSQL, and the translation of driver errors into LogUnavailable."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar

import asyncpg
from asyncpg.pgproto import pgproto

from decision_log.errors import LogUnavailable

T = TypeVar("T")

FAULTS = (
    OSError,
    TimeoutError,
    pgproto.BufferError,  # the bytes received do not follow the protocol
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedTableError,
    asyncpg.PostgresIOError,
    asyncpg.InternalServerError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""Driver errors if PostgreSQL is unavailable, restarts, refuses, is full, is not set up yet, or takes too long."""

LOST = (
    ConnectionError,
    FileNotFoundError,  # a server that restarts has no socket file for a moment
    pgproto.BufferError,
    asyncpg.InternalClientError,  # the driver got the server's closing message after the next query was started
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,  # the connection was closed in the meantime
)
"""Those of FAULTS that mean only that this connection ended: a new connection may work."""


class Source(NamedTuple):
    """A database and the role to use. `timeout_seconds` is the longest wait for one answer."""

    url: str
    password: str | None = None
    timeout_seconds: float = 1.0


async def connected(source: Source, application: str) -> asyncpg.Connection:
    return await asyncpg.connect(
        source.url,
        password=source.password,
        timeout=source.timeout_seconds,
        server_settings={"application_name": application, "synchronous_commit": "on", "timezone": "UTC"},
    )


class Database:
    """A connection pool. Raises LogUnavailable if PostgreSQL does not answer by the deadline, an event loop time.

    `retries` counts reads that were repeated on a new connection.
    """

    def __init__(self, pool: asyncpg.Pool, timeout_seconds: float) -> None:
        self._pool = pool
        self._timeout = timeout_seconds
        self.retries = 0

    async def read(self, work: Callable[[asyncpg.Connection], Awaitable[T]], deadline: float | None) -> T:
        """Run `work`, which only reads. Retry once on a new connection if the first one ended."""
        return await self._done(work, deadline, again=True)

    async def write(self, work: Callable[[asyncpg.Connection], Awaitable[T]], deadline: float | None) -> T:
        """Run `work` in one transaction, without retry. If the connection ends, it may have been committed."""

        async def whole(connection: asyncpg.Connection) -> T:
            async with connection.transaction():
                return await work(connection)

        return await self._done(whole, deadline, again=False)

    async def fetch(self, deadline: float | None, sql: str, *arguments: object) -> list[asyncpg.Record]:
        async def rows(connection: asyncpg.Connection) -> list[asyncpg.Record]:
            found: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
            return found

        return await self.read(rows, deadline)

    async def _done(
        self, work: Callable[[asyncpg.Connection], Awaitable[T]], deadline: float | None, *, again: bool
    ) -> T:
        latest = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(latest if deadline is None else min(deadline, latest)):
                try:
                    return await self._once(work)
                except LOST:
                    if not again:
                        raise
                    self.retries += 1
                    await self._pool.expire_connections()  # the other connections have probably ended, too
                    return await self._once(work)
        except FAULTS as fault:
            raise LogUnavailable(type(fault).__name__) from fault

    async def _once(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        async with self._pool.acquire() as connection:
            return await work(connection)


@asynccontextmanager
async def open_database(source: Source, connections: int) -> AsyncIterator[Database]:
    """Open a pool without connecting: it opens a connection for the first request that needs one."""
    pool = asyncpg.create_pool(
        source.url,
        password=source.password,
        min_size=0,
        max_size=connections,
        timeout=source.timeout_seconds,
        server_settings={"application_name": "decision_log", "synchronous_commit": "on", "timezone": "UTC"},
    )
    await pool
    try:
        yield Database(pool, source.timeout_seconds)
    finally:
        try:
            async with asyncio.timeout(source.timeout_seconds):
                await pool.close()
        except FAULTS:
            pool.terminate()
