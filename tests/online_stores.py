"""The online stores as the feature service opens them, for tests that need one or both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

import psycopg
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from feature_service.settings import Settings
from feature_service.store.features import FeatureStore
from feature_service.store.online import OnlineWrites
from feature_service.store.opening import open_store, open_writer
from feature_service.store.postgresql.writer import WriteMetrics
from local_stack.postgres import Server
from service_kit.request.ask import Ask


def ask(seconds: float = 20) -> Ask[object]:
    return Ask("test", asyncio.get_running_loop().time() + seconds, None)


class Online(NamedTuple):
    """A store as the service has it."""

    reads: FeatureStore
    writes: OnlineWrites
    counted: CollectorRegistry


OpenOnline = Callable[[], AbstractAsyncContextManager[Online]]


def service_settings(server: Server, database: str, **options: Any) -> Settings:
    reader, writer = (SecretStr(server.url(database, user=role)) for role in ("feature_service", "feature_writer"))
    given: dict[str, Any] = {
        "database_url": reader,
        "writer_database_url": writer,
        "database_timeout_seconds": 10,
    } | options
    return Settings(**given)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Online]:
    counted = CollectorRegistry()
    async with open_store(settings) as reads, open_writer(settings, WriteMetrics(counted)) as writes:
        assert writes is not None
        yield Online(reads, writes, counted)


MARKED = "SELECT count(*) FROM online_changes"


def marked(server: Server, database: str) -> int:
    with psycopg.connect(server.url(database)) as connection:
        [number] = connection.execute(MARKED).fetchone() or [0]
        return int(number)


def same(server: Server, database: str, table: str) -> bool:
    """Whether the table has the vectors of PostgreSQL, to the byte, and no others; and nothing is marked any more."""
    with psycopg.connect(server.url(database)) as connection:
        ids = [row[0] for row in connection.execute("SELECT client_id FROM online_features")]

    async def both() -> bool:
        everyone = {*ids, *range(1, 61)}
        async with opened(service_settings(server, database, online_store=table)) as dynamodb:
            there = await dynamodb.reads.vectors(everyone, ask())
        async with opened(service_settings(server, database)) as postgresql:
            return there == await postgresql.reads.vectors(everyone, ask()) and len(there) == len(ids)

    return asyncio.run(both()) and marked(server, database) == 0
