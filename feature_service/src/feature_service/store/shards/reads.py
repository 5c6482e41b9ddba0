"""Reads from several databases: divides a request by client, asks concurrently, and merges the results."""

import asyncio
import heapq
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple, TypeVar

from feature_service.store.online import Row
from feature_service.store.postgresql.online import PostgresReads
from feature_service.store.postgresql.record import Record
from service_kit.request.ask import Ask
from shared_schemas.shards import Shard, shard_of

T = TypeVar("T")


class Database(NamedTuple):
    shard: Shard
    online: PostgresReads
    record: Record


class ShardedReads:
    """Vectors and history of all databases. Raises StoreUnavailable if one that is needed cannot answer."""

    most_keys = PostgresReads.most_keys
    most_in_flight = PostgresReads.most_in_flight

    def __init__(self, databases: Sequence[Database]) -> None:
        self._databases = databases
        self.timeout_seconds = databases[0].online.timeout_seconds

    def number_of(self, client_id: int) -> int:
        """The number, from 1, of the database that has the client."""
        return shard_of(client_id, len(self._databases))

    async def vectors(self, client_ids: Sequence[int], ask: Ask[object]) -> Sequence[Row]:
        parts = self._divided((client_id, client_id) for client_id in client_ids)
        found = await asyncio.gather(*(one.online.vectors(own, ask) for one, own in parts))
        return [row for rows in found for row in rows]

    async def at_instants(self, wanted: Sequence[tuple[int, datetime]], ask: Ask[object]) -> Sequence[Row]:
        parts = self._divided((client_id, place) for place, (client_id, _) in enumerate(wanted))
        asked = (one.record.at_instants([wanted[place] for place in places], ask) for one, places in parts)
        found = await asyncio.gather(*asked)
        return [
            (*row, _of_all(position, places))
            for (_, places), rows in zip(parts, found, strict=True)
            for *row, position in rows
        ]

    async def page(self, after: int, limit: int, ask: Ask[object]) -> Sequence[Row]:
        pages = await asyncio.gather(*(one.record.page(after, limit, ask) for one in self._databases))
        return list(islice(heapq.merge(*pages, key=lambda row: row[0]), limit))

    async def ping(self, ask: Ask[object]) -> None:
        await asyncio.gather(*(one.online.ping(ask) for one in self._databases))

    def _divided(self, items: Iterable[tuple[int, T]]) -> list[tuple[Database, list[T]]]:
        """Items about clients, grouped by the database that has the client."""
        parts: dict[int, list[T]] = {}
        for client_id, item in items:
            parts.setdefault(self.number_of(client_id), []).append(item)
        return [(self._databases[number - 1], own) for number, own in parts.items()]


def _of_all(position: int, places: Sequence[int]) -> int:
    """The position among all items of `position` among the items at these places.

    Both count from 1; negative ones likewise.
    """
    place = places[abs(position) - 1] + 1
    return place if position > 0 else -place
