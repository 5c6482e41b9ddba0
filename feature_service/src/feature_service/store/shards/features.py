"""Vectors in several databases.

Lookups are batched for each, so that an outage delays only the clients of one database.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from feature_service.definitions.following import FollowedSet
from feature_service.store.features import FeatureStore
from feature_service.store.shards.reads import Database, ShardedReads
from feature_service.store.shards.sets import AgreedSet
from service_kit.problems import DeadlineExceeded, StoreUnavailable
from service_kit.request.ask import Ask

_PATIENCE_SECONDS = 0.25
"""Timeout of readiness for a silent database while another one answers. The gateway's check waits twice as long."""


class ShardedFeatureStore(FeatureStore):
    """Ready if at least one database answers. Details name the others."""

    def __init__(self, databases: Sequence[Database], agreed: AgreedSet) -> None:
        reads, followed = ShardedReads(databases), FollowedSet(agreed.changed_set)
        super().__init__(reads, reads, followed)
        self._databases = databases
        self._agreed = agreed
        self._each = [FeatureStore(one.online, one.record, followed, one.shard) for one in databases]
        self._number_of = reads.number_of

    async def vector(self, client_id: int, ask: Ask[object], as_of: datetime | None = None) -> bytes | None:
        return await self._each[self._number_of(client_id) - 1].vector(client_id, ask, as_of)

    async def ping(self, ask: Ask[object]) -> Mapping[str, str]:
        looks = [asyncio.create_task(_answers(one, ask)) for one in self._databases]
        try:
            await asyncio.wait(looks, timeout=_PATIENCE_SECONDS)
            if not any(map(_answered, looks)):
                await asyncio.wait(looks)
        finally:
            for look in looks:
                look.cancel()
        if not any(map(_answered, looks)):
            raise StoreUnavailable
        await self.feature_set.current(ask)
        details = {f"database_{n}": "ready" if _answered(look) else "away" for n, look in enumerate(looks, start=1)}
        return details | ({"feature_sets": "differ"} if self._agreed.differ else {})


async def _answers(database: Database, ask: Ask[object]) -> bool:
    try:
        await database.online.ping(ask)
    except (StoreUnavailable, DeadlineExceeded):  # logged where it happens
        return False
    return True


def _answered(look: asyncio.Task[bool]) -> bool:
    return look.done() and not look.cancelled() and look.result()
