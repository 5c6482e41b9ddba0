"""The online store in PostgreSQL: reads of current vectors."""

from collections.abc import Sequence

from feature_service.store.online import Row
from feature_service.store.postgresql.reader import Reader
from service_kit.request.ask import Ask

# Instants stay as they are sent: to make a datetime takes the driver a microsecond, a tenth of a vector's cost.
CURRENT = """
    SELECT client_id, timestamptz_send(event_timestamp), v, times
      FROM online_features
     WHERE client_id = ANY($1::bigint[])
"""


class PostgresReads:
    most_keys = 500
    most_in_flight = 4

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.timeout_seconds = reader.timeout_seconds

    async def vectors(self, client_ids: Sequence[int], ask: Ask[object]) -> Sequence[Row]:
        return await self._reader.fetch(ask, CURRENT, client_ids)

    async def ping(self, ask: Ask[object]) -> None:
        await self._reader.fetch(ask, "SELECT 1 FROM online_features LIMIT 1")
