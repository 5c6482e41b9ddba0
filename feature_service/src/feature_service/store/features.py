"""Reads vectors from the online store or the history, batches single lookups, and encodes the answers."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import repeat

import structlog

from feature_service.definitions.following import FollowedSet
from feature_service.definitions.vectors import Layout, Vector, day_of, encode, read_rows
from feature_service.errors import BeforeRetention, NeedsSystemOfRecord
from feature_service.store.online import OnlineReads, RecordReads, Row
from service_kit.batching import Batcher
from service_kit.problems import DeadlineExceeded, ProblemError, StoreUnavailable
from service_kit.request.ask import Ask
from service_kit.telemetry.tracing import batcher
from shared_schemas.shards import ONLY, Shard

log = structlog.get_logger()

_WITHOUT_A_PAUSE = 250
"""Maximum vectors that are encoded without a pause, which takes about a millisecond."""


class FeatureStore:
    """Reads vectors.

    Raises StoreUnavailable if the store cannot answer, NeedsSystemOfRecord if the answer is in the history and there is
    no `record`, and BeforeRetention if that part of the history was dropped. A layout says which features a vector
    contains; None: those of the set in force.
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
        self._coalesced_as_of: Batcher[tuple[int, datetime], bytes] = batcher(self._encoded_at_instants)

    async def vector(self, client_id: int, ask: Ask[object], as_of: datetime | None = None) -> bytes | None:
        """The JSON of a client's vector, current or as of an instant.

        Concurrent calls share requests to the store. Waiting for a turn counts: without an answer within the store's
        timeout it raises StoreUnavailable.
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
    ) -> dict[int, Vector]:
        """The vectors, by id, of those clients that have one (at that instant)."""
        ids = list(set(client_ids))
        if as_of is None:
            return await self._read(await self._online.vectors(ids, ask), ask, layout)
        found = await self._at_instants([(client_id, as_of) for client_id in ids], ask, layout)
        vectors = {}
        for (client_id, _), vector in found.items():
            if isinstance(vector, Exception):
                raise vector
            vectors[client_id] = vector
        return vectors

    async def page(self, after: int, limit: int, ask: Ask[object], layout: Layout | None = None) -> list[Vector]:
        """At most `limit` vectors of the ids above `after`, in the order of the ids."""
        rows = await self._of_record().page(after, limit, ask)
        return list((await self._read(rows, ask, layout)).values())

    async def _current(self, client_ids: Sequence[int], ask: Ask[object]) -> dict[int, bytes]:
        vectors = await self._read(await self._online.vectors(client_ids, ask), ask)
        return {client_id: encode(vector) for client_id, vector in vectors.items()}

    async def _read(self, rows: Sequence[Row], ask: Ask[object], layout: Layout | None = None) -> dict[int, Vector]:
        layout = layout or (await self.feature_set.current(ask)).layout
        today = repeat(day_of(datetime.now(UTC)))
        vectors: list[Vector] = []
        for start in range(0, len(rows), _WITHOUT_A_PAUSE):
            if start:
                await asyncio.sleep(0)
            vectors += read_rows(rows[start : start + _WITHOUT_A_PAUSE], layout, today)
        return {vector["client_id"]: vector for vector in vectors}

    async def _encoded_at_instants(
        self, wanted: Sequence[tuple[int, datetime]], ask: Ask[object]
    ) -> dict[tuple[int, datetime], bytes | Exception]:
        found = await self._at_instants(wanted, ask)
        return {one: vector if isinstance(vector, Exception) else encode(vector) for one, vector in found.items()}

    async def _at_instants(
        self, wanted: Sequence[tuple[int, datetime]], ask: Ask[object], layout: Layout | None = None
    ) -> dict[tuple[int, datetime], Vector | Exception]:
        rows = await self._of_record().at_instants(wanted, ask)
        layout = layout or (await self.feature_set.current(ask)).layout
        known = [row for row in rows if row[-1] > 0]
        ones = [wanted[row[-1] - 1] for row in known]
        vectors = read_rows(known, layout, [day_of(instant) for _, instant in ones])
        found: dict[tuple[int, datetime], Vector | Exception] = dict(zip(ones, vectors, strict=True))
        if len(known) < len(rows):
            found |= {wanted[-row[-1] - 1]: BeforeRetention() for row in rows if row[-1] < 0}
        return found

    def _of_record(self) -> RecordReads:
        if self._record is None:
            raise NeedsSystemOfRecord
        return self._record

    async def ping(self, ask: Ask[object]) -> Mapping[str, str] | None:
        """Return details of readiness if vectors can be read."""
        await self._online.ping(ask)
        await self.feature_set.current(ask)
        return None
