"""The seam of the online store, and that of the system of record. The first has two halves, as a service that may not write
opens one of them only."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from service_kit.request.ask import Ask

Row = Sequence[Any]
"""A vector in force: client_id; event_timestamp, as microseconds since the year 2000 in eight bytes; the JSON of its values by
key; the JSON of the instants of older values by key, or None."""


class Said(NamedTuple):
    """What an event says, by the keys of the features."""

    event_timestamp: datetime
    values: Mapping[str, Any]


class OnlineReads(Protocol):
    """Raises StoreUnavailable when the store cannot answer in `timeout_seconds`, and DeadlineExceeded."""

    timeout_seconds: float
    most_keys: int
    """Of one request to the store."""
    most_in_flight: int
    """Requests to the store at once."""

    async def vectors(self, client_ids: Sequence[int], ask: Ask[object]) -> Sequence[Row]:
        """Those of the clients that are known."""

    async def ping(self, ask: Ask[object]) -> None:
        """Return if vectors can be read."""


class OnlineWrites(Protocol):
    """Raises StoreUnavailable when a store cannot answer, and DeadlineExceeded when the caller does not wait so long; then the
    change may still be made, or not."""

    async def write(self, client_id: int, said: Said, ask: Ask[object]) -> Sequence[str]:
        """Add an event. Raises BeforeRetention. The keys for which it does not count now, because newer events speak of them."""

    async def erase(self, client_id: int, id_column: str, ask: Ask[object]) -> bool:
        """Leave no trace of the client. False where there was none. Raises LoadRunning.

        `id_column`: name of the client id in the files that lines were refused of.
        """


class RecordReads(Protocol):
    """What only the system of record knows. Raises StoreUnavailable when it cannot answer, and DeadlineExceeded."""

    async def at_instants(self, wanted: Sequence[tuple[int, datetime]], ask: Ask[object]) -> Sequence[Row]:
        """For each client that had events by its instant: the vector, and behind it the position in `wanted`, from 1.

        Of an instant before the history is kept there is a row with the position below 0, and no vector.
        """

    async def page(self, after: int, limit: int, ask: Ask[object]) -> Sequence[Row]:
        """At most `limit` vectors in force of the ids above `after`, in their order."""


class OnlineStore(OnlineReads, OnlineWrites, Protocol):
    """Both halves: vectors, write, erase, ping."""
