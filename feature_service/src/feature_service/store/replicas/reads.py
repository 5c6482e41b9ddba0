"""Chooses where to read: a replica within the bound, otherwise the primary."""

from collections.abc import Sequence

from feature_service.store.online import OnlineReads
from feature_service.store.replicas.replica import Replica, Snapshot
from service_kit.problems import StoreUnavailable
from service_kit.request.ask import Ask


class BoundedReads:
    """Reads vectors of a state that is at most `bound` seconds old. Replicas take turns.

    Raises StoreUnavailable if the primary is needed and away. The lag of an answer follows from the heartbeat in its
    snapshot; an answer beyond the bound is not used.
    """

    def __init__(self, primary: OnlineReads, replicas: Sequence[Replica], bound: float) -> None:
        self._primary = primary
        self._replicas = replicas
        self._bound = bound
        self._turn = 0

    async def vectors(self, client_ids: Sequence[int], ask: Ask[object]) -> Snapshot:
        replica = self._next()
        if replica is not None:
            try:
                snapshot = await replica.vectors(client_ids, ask)
            except StoreUnavailable:
                pass  # logged where it happens
            else:
                if snapshot.age <= self._bound:
                    return snapshot
        return Snapshot(await self._primary.vectors(client_ids, ask), 0)

    def _next(self) -> Replica | None:
        for _ in self._replicas:
            self._turn = (self._turn + 1) % len(self._replicas)
            if (replica := self._replicas[self._turn]).usable():
                return replica
        return None
