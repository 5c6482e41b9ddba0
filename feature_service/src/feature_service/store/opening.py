"""Opens the stores that the settings configure."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from feature_service.definitions.following import FollowedSet
from feature_service.settings import Settings
from feature_service.store.features import FeatureStore
from feature_service.store.online import OnlineWrites
from feature_service.store.postgresql.online import CURRENT, PostgresReads
from feature_service.store.postgresql.reader import open_reader
from feature_service.store.postgresql.record import Record
from feature_service.store.postgresql.writer import WriteMetrics, open_record_writer
from feature_service.store.replicas.features import DatedFeatureStore
from feature_service.store.replicas.opening import PRIMARY, open_replication
from feature_service.store.replicas.reads import BoundedReads
from feature_service.store.replicas.writes import SeenWrites
from feature_service.store.shards.opening import open_shards, open_shards_writer
from shared_schemas.online_items import TableAddress


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[FeatureStore]:
    """A store that follows the feature set in force: in PostgreSQL or, if that is not configured, in DynamoDB."""
    async with AsyncExitStack() as stack:
        store = await _opened(settings, stack)
        await stack.enter_async_context(store.feature_set.followed())
        yield store


async def _opened(settings: Settings, stack: AsyncExitStack) -> FeatureStore:
    if len(settings.database_urls) > 1:
        return await stack.enter_async_context(open_shards(settings))
    address = settings.dynamodb
    return await _on_postgresql(settings, stack) if address is None else await _on_dynamodb(settings, address, stack)


async def _on_postgresql(settings: Settings, stack: AsyncExitStack) -> FeatureStore:
    replicated = settings.max_store_lag_ms is not None
    asked = PRIMARY if replicated else None
    reader = await stack.enter_async_context(open_reader(settings, target_session_attrs=asked))
    await reader.warm(CURRENT, [])
    record, primary = Record(reader), PostgresReads(reader)
    if not replicated:
        return FeatureStore(primary, record, FollowedSet(record.changed_set))
    _, replicas = await stack.enter_async_context(open_replication(settings, followed=True))
    bounded = BoundedReads(primary, replicas, settings.max_store_lag_seconds)
    return DatedFeatureStore(bounded, primary, record, FollowedSet(record.changed_set))


async def _on_dynamodb(settings: Settings, address: TableAddress, stack: AsyncExitStack) -> FeatureStore:
    # Imported only if configured: the AWS libraries take long to import.
    from feature_service.store.dynamodb.online import DynamoReads  # noqa: PLC0415
    from feature_service.store.dynamodb.table import open_table  # noqa: PLC0415

    online = DynamoReads(await stack.enter_async_context(open_table(address, settings.database_timeout_seconds)))
    if not settings.has_record:
        return FeatureStore(online, None, FollowedSet(online.changed_set))
    record = Record(await stack.enter_async_context(open_reader(settings)))
    return FeatureStore(online, record, FollowedSet(record.changed_set))


@asynccontextmanager
async def open_writer(settings: Settings, metrics: WriteMetrics) -> AsyncIterator[OnlineWrites | None]:
    """The writer; None if no role for writes is configured. It connects to PostgreSQL at the first write."""
    if len(settings.writer_database_urls) > 1:
        async with open_shards_writer(settings, metrics) as sharded:
            yield sharded
        return
    async with open_record_writer(settings, metrics, publishes=settings.dynamodb is not None) as writer:
        if writer is not None and settings.max_store_lag_ms is not None:
            async with open_replication(settings, followed=False) as (heartbeat, replicas):
                yield SeenWrites(writer, heartbeat, replicas)
            return
        if writer is None or settings.dynamodb is None:
            yield writer
            return
        from feature_service.store.dynamodb.online import DynamoWrites  # noqa: PLC0415
        from feature_service.store.dynamodb.table import open_table  # noqa: PLC0415

        async with open_table(settings.dynamodb, settings.database_timeout_seconds) as table:
            yield DynamoWrites(writer, table, metrics)
