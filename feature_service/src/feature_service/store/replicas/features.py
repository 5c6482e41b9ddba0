"""Vectors that are read from replicas, with the lag in a header of the answer."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import ceil
from typing import NamedTuple

from feature_service.definitions.following import FollowedSet
from feature_service.definitions.vectors import Layout, Vector, encode
from feature_service.store.features import FeatureStore
from feature_service.store.online import OnlineReads, RecordReads
from feature_service.store.replicas.reads import BoundedReads
from service_kit.batching import Batcher
from service_kit.problems import DeadlineExceeded
from service_kit.request.ask import Ask
from service_kit.telemetry.tracing import batcher

HEADER = b"x-store-lag-ms"


class Dated(NamedTuple):
    """A client's row, if there is one, and its age: the maximum seconds by which it is behind the primary."""

    vector: bytes | None
    age: float


class DatedFeatureStore(FeatureStore):
    """Reads current vectors through `bounded`; everything else is read from the primary.

    A header of each answer with current vectors, or without because the client is unknown, says how old the state may
    be.
    """

    def __init__(self, bounded: BoundedReads, primary: OnlineReads, record: RecordReads, followed: FollowedSet) -> None:
        super().__init__(primary, record, followed)
        self._bounded = bounded
        self._dated: Batcher[int, Dated] = batcher(
            self._dated_vectors, max_batch=primary.most_keys, max_in_flight=primary.most_in_flight
        )

    async def vector(self, client_id: int, ask: Ask[object], as_of: datetime | None = None) -> bytes | None:
        if as_of is not None:
            return await super().vector(client_id, ask, as_of)
        try:
            dated = await self._dated.get(client_id, ask, self._online.timeout_seconds)
        except (TimeoutError, DeadlineExceeded) as fault:
            raise self._late(fault, ask) from fault
        if dated is None:
            return None
        _say(dated.age, ask)
        return dated.vector

    async def vectors(
        self, client_ids: Iterable[int], ask: Ask[object], as_of: datetime | None = None, layout: Layout | None = None
    ) -> dict[int, Vector]:
        if as_of is not None:
            return await super().vectors(client_ids, ask, as_of, layout)
        rows, age = await self._bounded.vectors(list(set(client_ids)), ask)
        _say(age, ask)
        return await self._read(rows, ask, layout)

    async def _dated_vectors(self, client_ids: Sequence[int], ask: Ask[object]) -> dict[int, Dated]:
        rows, age = await self._bounded.vectors(client_ids, ask)
        found = {client_id: encode(vector) for client_id, vector in (await self._read(rows, ask)).items()}
        return {client_id: Dated(found.get(client_id), age) for client_id in client_ids}


def _say(age: float, ask: Ask[object]) -> None:
    """Seconds as whole milliseconds, rounded up. 0 means the primary."""
    ask.answer_headers = (*ask.answer_headers, (HEADER, b"%d" % ceil(age * 1000)))
