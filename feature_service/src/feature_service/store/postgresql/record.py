"""The system of record: the history as of an instant, pages of all clients, the feature set in force."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from feature_service.store.online import Row
from feature_service.store.postgresql.reader import Reader
from service_kit.request.ask import Ask

# Negative positions: instants before the retained history.
# A subselect hides the value from the planner, which would otherwise plan each batch again over all partitions.
_AS_OF = """
    SELECT client_id, timestamptz_send(event_timestamp), v, times, position
      FROM features_as_of((SELECT $1::bigint[]), (SELECT $2::timestamptz[]))
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, -wanted.n
      FROM history_retention AS r
      JOIN unnest((SELECT $2::timestamptz[])) WITH ORDINALITY AS wanted (instant, n) ON wanted.instant < r.before
"""

_PAGE = """
    SELECT client_id, timestamptz_send(event_timestamp), v, times
      FROM online_features
     WHERE client_id > $1::bigint
     ORDER BY client_id
     LIMIT $2::integer
"""

# `mark` changes with everything that is served: a version can be dropped without a change of the set's digest.
_FEATURE_SET = """
    SELECT id, digest, document, retained, mark
      FROM (SELECT id, digest, document, retained, id || ' ' || digest || ' ' || md5(retained::text) AS mark
              FROM feature_sets
             WHERE current) AS in_force
     WHERE mark <> $1::text
"""


class Record:
    """Raises StoreUnavailable when PostgreSQL cannot answer."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def at_instants(self, wanted: Sequence[tuple[int, datetime]], ask: Ask[object]) -> Sequence[Row]:
        return await self._reader.fetch(
            ask, _AS_OF, [client_id for client_id, _ in wanted], [instant for _, instant in wanted]
        )

    async def page(self, after: int, limit: int, ask: Ask[object]) -> Sequence[Row]:
        return await self._reader.fetch(ask, _PAGE, after, limit)

    async def changed_set(self, ask: Ask[object], mark: str) -> Mapping[str, Any] | None:
        """The row of the feature set in force; None if its mark is `mark`."""
        rows = await self._reader.fetch(ask, _FEATURE_SET, mark)
        return rows[0] if rows else None
