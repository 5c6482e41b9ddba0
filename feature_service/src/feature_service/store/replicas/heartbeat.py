"""Writes numbers into the primary. The number that a replica shows tells how old its state is."""

import asyncio
from contextlib import suppress
from math import inf
from uuid import UUID, uuid4

from feature_service.store.postgresql.reader import Reader
from service_kit.problems import DeadlineExceeded, StoreUnavailable
from service_kit.request.ask import Ask

_BEAT = "SELECT beat_store($1::uuid, $2::bigint)"
_LONGEST_PAUSE_SECONDS = 1.0


class Heartbeat:
    """Remembers for each number when it was sent. A state with that number has everything that was committed before.

    No clocks are compared: this process takes all times, and the row is its own.
    """

    def __init__(self, primary: Reader, bound: float) -> None:
        self.process: UUID = uuid4()
        self.bound = bound
        self.pause = min(bound / 4, _LONGEST_PAUSE_SECONDS)
        self._primary = primary
        self._number = 0
        self._sent: dict[int, float] = {}

    def age(self, beat: int | None) -> float:
        """Maximum seconds by which a state with this number is behind the primary; infinite if it is unknown."""
        sent = None if beat is None else self._sent.get(beat)
        return inf if sent is None else asyncio.get_running_loop().time() - sent

    async def beat(self, ask: Ask[object]) -> int:
        """Write the next number. Raises StoreUnavailable and DeadlineExceeded; then it may still be written, or not."""
        now = asyncio.get_running_loop().time()
        self._number += 1
        number = self._number
        self._sent = {known: sent for known, sent in self._sent.items() if now - sent <= self.bound} | {number: now}
        await self._primary.fetch(ask, _BEAT, self.process, number)
        return number

    async def beat_on(self) -> None:
        while True:
            with suppress(StoreUnavailable, DeadlineExceeded):  # logged where it happens
                await self.beat(
                    Ask("heartbeat", asyncio.get_running_loop().time() + self._primary.timeout_seconds, None)
                )
            await asyncio.sleep(self.pause)
