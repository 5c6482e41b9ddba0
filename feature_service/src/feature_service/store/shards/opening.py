"""Opens the databases among which the clients are divided."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from feature_service.settings import Settings
from feature_service.store.postgresql.online import CURRENT, PostgresReads
from feature_service.store.postgresql.reader import open_reader
from feature_service.store.postgresql.record import Record
from feature_service.store.postgresql.writer import WriteMetrics, open_record_writer
from feature_service.store.shards.features import ShardedFeatureStore
from feature_service.store.shards.reads import Database
from feature_service.store.shards.sets import AgreedSet
from feature_service.store.shards.writes import ShardedWrites
from shared_schemas.shards import Shard


@asynccontextmanager
async def open_shards(settings: Settings) -> AsyncIterator[ShardedFeatureStore]:
    async with AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(open_reader(settings, shard=shard))
            for shard in _shards(len(settings.database_urls))
        ]
        await asyncio.gather(*(reader.warm(CURRENT, []) for reader in readers))
        databases = [Database(reader.shard, PostgresReads(reader), Record(reader)) for reader in readers]
        yield ShardedFeatureStore(databases, AgreedSet([one.record for one in databases]))


@asynccontextmanager
async def open_shards_writer(settings: Settings, metrics: WriteMetrics) -> AsyncIterator[ShardedWrites]:
    async with AsyncExitStack() as stack:
        writers = []
        for shard in _shards(len(settings.writer_database_urls)):
            writer = await stack.enter_async_context(open_record_writer(settings, metrics, shard))
            if writer is not None:
                writers.append(writer)
        yield ShardedWrites(writers, metrics)


def _shards(count: int) -> list[Shard]:
    return [Shard(number, count) for number in range(1, count + 1)]
