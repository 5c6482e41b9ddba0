"""Vectors as they are answered: read from the online store or the history, batched, and encoded."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import structlog

from feature_service.definitions.following import FollowedSet
from feature_service.definitions.vectors import Layout, day_of, encode
from feature_service.errors import BeforeRetention, NeedsSystemOfRecord
from feature_service.store.online import OnlineReads, RecordReads, Row
from service_kit.batching import Batcher, batcher
from service_kit.problems import DeadlineExceeded, ProblemError, StoreUnavailable
from service_kit.request.ask import Ask
from shared_schemas.shards import ONLY, Shard

log = structlog.get_logger()

_WITHOUT_A_PAUSE = 250
"""Vectors that are encoded in one go: about a millisecond. Others get their turn after as many."""


class FeatureStore:
    """Reads vectors, already encoded. Raises StoreUnavailable when the store cannot answer, NeedsSystemOfRecord where the
    answer is in the history, and there is no `record`, and BeforeRetention where the history is not kept any more.

    A layout says which features stand in a vector; None: those of the set that is served.
    """

    def __init__(
        self, online: OnlineReads, record: RecordReads | None, feature_set: FollowedSet, shard: Shard = ONLY
    ) -> None:
        self._online = online
        self._record = record
        self._which = {} if shard == ONLY else {"database": shard.number}
        self.feature_set = feature_set
        self._coalesced: Batcher[int, bytes] = batcher(
            self._current, max_batch=online.most_keys, max_in_flight=online.most_in_flight
        )
        self._coalesced_as_of: Batcher[tuple[int, datetime], bytes] = batcher(self._at_instants)

    async def vector(self, client_id: int, ask: Ask[object], as_of: datetime | None = None) -> bytes | None:
        """The vector of a client, current or as of an instant. Concurrent calls share requests to the store.

        The wait for a turn counts: no answer within the store's limit is StoreUnavailable.
        """
        try:
            if as_of is None:
                return await self._coalesced.get(client_id, ask, self._online.timeout_seconds)
            return await self._coalesced_as_of.get((client_id, as_of), ask, self._online.timeout_seconds)
        except (TimeoutError, DeadlineExceeded) as fault:
            raise self._late(fault, ask) from fault

    def _late(self, fault: Exception, ask: Ask[object]) -> ProblemError:
        if asyncio.get_running_loop().time() >= ask.deadline:
            return DeadlineExceeded()
        log.warning("store_unavailable", cause=type(fault).__name__, request_id=ask.request_id, **self._which)
        return StoreUnavailable()

    async def vectors(
        self, client_ids: Iterable[int], ask: Ask[object], as_of: datetime | None = None, layout: Layout | None = None
    ) -> dict[int, bytes]:
        """The vectors of those clients that have one (at that instant), by id."""
        ids = list(set(client_ids))
        if as_of is None:
            return await self._current(ids, ask, layout)
        found = await self._at_instants([(client_id, as_of) for client_id in ids], ask, layout)
        vectors = {}
        for (client_id, _), vector in found.items():
            if isinstance(vector, Exception):
                raise vector
            vectors[client_id] = vector
        return vectors

    async def page(self, after: int, limit: int, ask: Ask[object]) -> list[tuple[int, bytes]]:
        """At most `limit` vectors of the ids above `after`, in their order, with their ids."""
        rows = await self._of_record().page(after, limit, ask)
        return list((await self._encoded(rows, ask, None)).items())

    async def _current(
        self, client_ids: Sequence[int], ask: Ask[object], layout: Layout | None = None
    ) -> dict[int, bytes]:
        return await self._encoded(await self._online.vectors(client_ids, ask), ask, layout)

    async def _encoded(self, rows: Sequence[Row], ask: Ask[object], layout: Layout | None) -> dict[int, bytes]:
        layout = layout or (await self.feature_set.current(ask)).layout
        today = day_of(datetime.now(UTC))
        found: dict[int, bytes] = {}
        for start in range(0, len(rows), _WITHOUT_A_PAUSE):
            if start:
                await asyncio.sleep(0)
            found |= {row[0]: encode(row, layout, today) for row in rows[start : start + _WITHOUT_A_PAUSE]}
        return found

    async def _at_instants(
        self, wanted: Sequence[tuple[int, datetime]], ask: Ask[object], layout: Layout | None = None
    ) -> dict[tuple[int, datetime], bytes | Exception]:
        rows = await self._of_record().at_instants(wanted, ask)
        layout = layout or (await self.feature_set.current(ask)).layout
        found: dict[tuple[int, datetime], bytes | Exception] = {}
        for position, *row in rows:
            one = wanted[abs(position) - 1]
            if position < 0:
                found[one] = BeforeRetention()
            elif one not in found:
                found[one] = encode(row, layout, day_of(one[1]))
        return found

    def _of_record(self) -> RecordReads:
        if self._record is None:
            raise NeedsSystemOfRecord
        return self._record

    async def ping(self, ask: Ask[object]) -> Mapping[str, str] | None:
        """Return if vectors can be read, with details where there are some."""
        await self._online.ping(ask)
        await self.feature_set.current(ask)
        return None
