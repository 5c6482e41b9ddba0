"""Writes that every reader sees once they are answered, whichever replica it reads."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from feature_service.store.online import OnlineWrites, Said
from feature_service.store.replicas.heartbeat import Heartbeat
from feature_service.store.replicas.replica import Replica
from service_kit.problems import DeadlineExceeded, StoreUnavailable
from service_kit.request.ask import Ask


class SeenWrites:
    """Answers a write when all replicas show it, or when no reader accepts a state that is older than the write.

    Raises DeadlineExceeded at the caller's deadline. Then the change is made, and some readers may see it late.
    """

    def __init__(self, writer: OnlineWrites, heartbeat: Heartbeat, replicas: Sequence[Replica]) -> None:
        self._writer = writer
        self._heartbeat = heartbeat
        self._replicas = replicas

    async def write(self, client_id: int, said: Said, ask: Ask[object]) -> Sequence[str]:
        stale = await self._writer.write(client_id, said, ask)
        await self._seen(ask)
        return stale

    async def erase(self, client_id: int, id_column: str, ask: Ask[object]) -> bool:
        found = await self._writer.erase(client_id, id_column, ask)
        await self._seen(ask)
        return found

    async def _seen(self, ask: Ask[object]) -> None:
        out_of_bounds = asyncio.get_running_loop().time() + self._heartbeat.bound
        until = min(out_of_bounds, ask.deadline)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                if await self._shown(Ask(ask.request_id, until, None)):
                    return
                await asyncio.sleep(self._heartbeat.bound)  # the timeout has ended it
        if until < out_of_bounds:
            raise DeadlineExceeded

    async def _shown(self, ask: Ask[object]) -> bool:
        """Whether all replicas show a number that was written after the change."""
        try:
            beat = await self._heartbeat.beat(ask)
        except (StoreUnavailable, DeadlineExceeded):  # logged where it happens
            return False
        await asyncio.gather(*(replica.shows(beat, ask) for replica in self._replicas))
        return True
