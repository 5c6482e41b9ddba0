"""Writes to several databases: each to the one that knows the client."""

from collections.abc import Sequence

from feature_service.store.online import OnlineWrites, Said
from service_kit.request.ask import Ask
from shared_schemas.shards import shard_of


class ShardedWrites:
    def __init__(self, writers: Sequence[OnlineWrites]) -> None:
        self._writers = writers

    async def write(self, client_id: int, said: Said, ask: Ask[object]) -> Sequence[str]:
        return await self._writers[self._number(client_id) - 1].write(client_id, said, ask)

    async def erase(self, client_id: int, id_column: str, ask: Ask[object]) -> bool:
        """The first database keeps the refused lines that no client could be read of, and they may name this one.

        It is asked first: where it cannot answer, nothing is erased yet.
        """
        found = [
            await self._writers[number - 1].erase(client_id, id_column, ask)
            for number in sorted({1, self._number(client_id)})
        ]
        return any(found)

    def _number(self, client_id: int) -> int:
        return shard_of(client_id, len(self._writers))
