"""The seam of the online store, and that of the system of record. The first has two halves, as a service that may not write
opens one of them only."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from service_kit.request.ask import Ask

Row = Sequence[Any]
"""A current vector.

client_id; event_timestamp (microseconds since 2000-01-01 in eight bytes); JSON of values by key; JSON of the instants
of older values by key, or None.
"""


class Said(NamedTuple):
    """The values of an event by feature key."""

    event_timestamp: datetime
    values: Mapping[str, Any]


class OnlineReads(Protocol):
    """Reads of the online store.

    Raises StoreUnavailable without an answer in `timeout_seconds`, and DeadlineExceeded.
    """

    timeout_seconds: float
    most_keys: int
    """Maximum number of keys in one request to the store."""
    most_in_flight: int
    """Maximum number of concurrent requests to the store."""

    async def vectors(self, client_ids: Sequence[int], ask: Ask[object]) -> Sequence[Row]:
        """The rows of those clients that are known."""

    async def ping(self, ask: Ask[object]) -> None:
        """Return if vectors can be read."""


class OnlineWrites(Protocol):
    """Raises StoreUnavailable when a store cannot answer, and DeadlineExceeded when the caller does not wait so long; then the
    change may still be made, or not."""

    async def write(self, client_id: int, said: Said, ask: Ask[object]) -> Sequence[str]:
        """Add an event.

        Returns the keys for which it does not count because they have newer events. Raises BeforeRetention.
        """

    async def erase(self, client_id: int, id_column: str, ask: Ask[object]) -> bool:
        """Erase every trace of the client. Returns False if there was none. Raises LoadRunning.

        `id_column`: name of the client id in files, to find the client's lines in quarantine.
        """


class RecordReads(Protocol):
    """Reads that only the system of record can answer.

    Raises StoreUnavailable if it cannot answer, and DeadlineExceeded.
    """

    async def at_instants(self, wanted: Sequence[tuple[int, datetime]], ask: Ask[object]) -> Sequence[Row]:
        """For each client with events until its instant: the vector, and the position in `wanted` (from 1).

        If the instant is before the retained history, there is a row with a negative position and no vector.
        """

    async def page(self, after: int, limit: int, ask: Ask[object]) -> Sequence[Row]:
        """At most `limit` current vectors of the ids above `after`, in the order of the ids."""
