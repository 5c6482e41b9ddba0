"""Runs work on connections that write: its timeouts, and the retry on a new connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import asyncpg

from feature_service.settings import Settings
from feature_service.store.postgresql.faults import FAULTS, LOST, RETRIES, checking, revealed, unavailable
from service_kit.problems import DeadlineExceeded
from service_kit.request.ask import Ask
from service_kit.telemetry.tracing import Tracing, tracing
from shared_schemas.shards import ONLY, Shard

T = TypeVar("T")

_CONNECTIONS = 2
_SEEN_BY_STANDBYS = {"synchronous_commit": "remote_apply"}
"""A commit returns when the standbys for which the server is configured to wait have it."""


class Work:
    """Runs work on the connections of a pool in at most `seconds`, including the wait for a connection."""

    def __init__(self, pool: asyncpg.Pool, seconds: float, shard: Shard = ONLY) -> None:
        self._pool = pool
        self._shard = shard
        self._seconds = seconds
        self._leaving = set[asyncio.Task[Any]]()

    async def done(self, work: Callable[[asyncpg.Connection], Awaitable[T]], ask: Ask[object]) -> T:
        latest = asyncio.get_running_loop().time() + self._seconds
        until = min(ask.deadline, latest)
        # In a task that is not awaited: a silent server does not answer a cancellation either.
        task = asyncio.create_task(self._twice(work))
        try:
            async with asyncio.timeout_at(until):
                return await asyncio.shield(task)
        except FAULTS as fault:
            if until < latest and isinstance(fault, TimeoutError):
                raise DeadlineExceeded from fault
            raise unavailable(fault, ask, self._shard) from fault
        finally:
            if not task.done():
                task.cancel()
                asyncio.get_running_loop().call_later(self._seconds, task.cancel)  # the rest may hang too
                self._leaving.add(task)
                task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[Any]) -> None:
        self._leaving.discard(task)
        if not task.cancelled():
            task.exception()  # nothing awaits the task any more

    async def _twice(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        try:
            return await self._once(work)
        except LOST:
            RETRIES.inc()
            await self._pool.expire_connections()  # the other connections will have ended too
            return await self._once(work)

    async def _once(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        connection = await self._pool.acquire()
        try:
            return await work(connection)
        finally:
            await self._hand_back(connection)

    async def _hand_back(self, connection: "asyncpg.pool.PoolConnectionProxy") -> None:
        """Return the connection to the pool, which replaces it if it is broken."""
        try:
            async with asyncio.timeout(self._seconds):
                await self._pool.release(connection)
        except (asyncio.CancelledError, *FAULTS):
            with suppress(asyncpg.InterfaceError):
                connection.terminate()


class TracedWork(Work):
    """Work that is a span of its request."""

    def __init__(self, pool: asyncpg.Pool, seconds: float, shard: Shard, traces: Tracing) -> None:
        super().__init__(pool, seconds, shard)
        self._traces = traces

    async def _once(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        with self._traces.part("write", {"db.system.name": "postgresql"}, outbound=True):
            return await super()._once(work)


@asynccontextmanager
async def open_work(settings: Settings, seconds: float, shard: Shard = ONLY) -> AsyncIterator[Work]:
    pool = asyncpg.create_pool(
        settings.writer_database_urls[shard.number - 1],
        password=revealed(settings.writer_database_password),
        min_size=0,
        max_size=_CONNECTIONS,
        timeout=settings.database_timeout_seconds,
        command_timeout=seconds,
        init=checking(shard),
        server_settings={
            "application_name": "feature_service",
            "default_transaction_isolation": "read committed",  # the settings on which the statements rely
            **({} if settings.max_store_lag_ms is None else _SEEN_BY_STANDBYS),
        },
    )
    await pool
    try:
        traces = tracing()
        yield Work(pool, seconds, shard) if traces is None else TracedWork(pool, seconds, shard, traces)
    finally:
        try:
            async with asyncio.timeout(settings.database_timeout_seconds):
                await pool.close()
        except FAULTS:
            pool.terminate()
