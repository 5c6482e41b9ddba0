"""The door to PostgreSQL: how connections are opened, and what the driver's faults mean to a caller."""

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
    pgproto.BufferError,  # what comes is not the protocol
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
"""What the driver raises when PostgreSQL is away, restarts, refuses, is full, is not set up yet, or takes too long."""

LOST = (
    ConnectionError,
    FileNotFoundError,  # the socket of a server that restarts
    pgproto.BufferError,
    asyncpg.InternalClientError,  # the driver reads the server's last words after it has been asked for more
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,  # a connection that has been closed meanwhile
)
"""Those of them that say that this connection has ended, not that there is no other."""


class Source(NamedTuple):
    """A database as one role. `timeout_seconds` is the longest wait for one answer."""

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
    """A pool of connections. Raises LogUnavailable when PostgreSQL cannot answer by the deadline (a loop time)."""

    def __init__(self, pool: asyncpg.Pool, timeout_seconds: float) -> None:
        self._pool = pool
        self._timeout = timeout_seconds
        self.retries = 0

    async def read(self, work: Callable[[asyncpg.Connection], Awaitable[T]], deadline: float | None) -> T:
        """What `work` reads; once more on a new connection where the first one ended."""
        return await self._done(work, deadline, again=True)

    async def write(self, work: Callable[[asyncpg.Connection], Awaitable[T]], deadline: float | None) -> T:
        """What `work` does in one transaction. It may have been done where the connection ended before the answer."""

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
                    await self._pool.expire_connections()  # the others will have ended, too
                    return await self._once(work)
        except FAULTS as fault:
            raise LogUnavailable(type(fault).__name__) from fault

    async def _once(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        async with self._pool.acquire() as connection:
            return await work(connection)


@asynccontextmanager
async def open_database(source: Source, connections: int) -> AsyncIterator[Database]:
    """A pool that connects when there is something to ask."""
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
