"""Writes to several databases: each goes to the one that has the client."""

from collections.abc import Sequence

from feature_service.store.online import Said
from feature_service.store.postgresql.writer import FeatureWriter, WriteMetrics
from service_kit.request.ask import Ask
from shared_schemas.shards import shard_of


class ShardedWrites:
    def __init__(self, writers: Sequence[FeatureWriter], metrics: WriteMetrics) -> None:
        self._writers = writers
        self._metrics = metrics

    async def write(self, client_id: int, said: Said, ask: Ask[object]) -> Sequence[str]:
        return await self._writers[self._number(client_id) - 1].write(client_id, said, ask)

    async def erase(self, client_id: int, id_column: str, ask: Ask[object]) -> bool:
        """Erase a client in its own database and in the first one.

        The first database has the refused lines without a readable client id, which may name this client. It is asked
        first: if it does not answer, nothing has been erased yet.
        """
        erased = [
            await self._writers[number - 1].erased(client_id, id_column, ask)
            for number in sorted({1, self._number(client_id)})
        ]
        found = any(one.found for one in erased)
        if found:
            self._metrics.deletes.inc()
        return found

    def _number(self, client_id: int) -> int:
        return shard_of(client_id, len(self._writers))
