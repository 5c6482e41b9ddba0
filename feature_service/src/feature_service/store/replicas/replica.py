"""One replica: reads vectors with the heartbeat of the same snapshot, and knows whether it may be read."""

import asyncio
import re
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from feature_service.store.online import Row
from feature_service.store.postgresql.reader import Reader
from feature_service.store.replicas.heartbeat import Heartbeat
from service_kit.problems import DeadlineExceeded, StoreUnavailable
from service_kit.request.ask import Ask

log = structlog.get_logger()

# At least one row, without a client if none is known, so that the heartbeat is always there.
_CURRENT = """
    SELECT o.client_id, timestamptz_send(o.event_timestamp), o.v, o.times, seen.beat
      FROM (SELECT (SELECT beat FROM store_heartbeats WHERE process = $2::uuid)) AS seen (beat)
      LEFT JOIN online_features AS o ON o.client_id = ANY($1::bigint[])
"""
_SEEN = "SELECT beat FROM store_heartbeats WHERE process = $1::uuid"
_BEFORE_THE_FIRST_LOOK = 0.1
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05
_URL = re.compile(r"(\w+://(?:[^/?#]*@)?)([^/?#]*)(.*)", re.DOTALL)


class Snapshot(NamedTuple):
    """Rows of a snapshot, and the maximum seconds by which it is behind the primary."""

    rows: Sequence[Row]
    age: float


class Replica:
    """One replica. `number`: the place of its host in the URL, for logs."""

    def __init__(self, reader: Reader, heartbeat: Heartbeat, number: int) -> None:
        self._reader = reader
        self._heartbeat = heartbeat
        self._number = number
        self._beat: int | None = None
        self._used = False

    def usable(self) -> bool:
        """Whether its lag is known and within the bound. Logs changes."""
        usable = self._heartbeat.age(self._beat) <= self._heartbeat.bound
        if usable is not self._used:
            self._used = usable
            log.info("replica_in_use" if usable else "replica_not_in_use", replica=self._number)
        return usable

    async def vectors(self, client_ids: Sequence[int], ask: Ask[object]) -> Snapshot:
        """The rows of those clients that are known. Raises StoreUnavailable and DeadlineExceeded."""
        try:
            rows = await self._reader.fetch(ask, _CURRENT, client_ids, self._heartbeat.process)
        except StoreUnavailable:
            self._beat = None
            raise
        self._beat = rows[0][4]
        return Snapshot([row[:4] for row in rows if row[0] is not None], self._heartbeat.age(self._beat))

    async def look_on(self) -> None:
        """Keep measuring the lag."""
        pause = min(self._heartbeat.pause, _BEFORE_THE_FIRST_LOOK)
        while True:
            await asyncio.sleep(pause)
            pause = self._heartbeat.pause
            await self._look(Ask("replica", asyncio.get_running_loop().time() + self._heartbeat.bound, None))
            self.usable()

    async def _look(self, ask: Ask[object]) -> None:
        try:
            rows = await self._reader.fetch(ask, _SEEN, self._heartbeat.process)
            self._beat = rows[0][0] if rows else None
        except (StoreUnavailable, DeadlineExceeded):  # logged where it happens
            self._beat = None

    async def shows(self, beat: int, ask: Ask[object]) -> None:
        """Return when the replica shows this number or a later one. Does not end while the replica is away."""
        pause = _FIRST_PAUSE
        await self._look(ask)
        while self._beat is None or self._beat < beat:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            await self._look(ask)


def each_host(url: str) -> list[str]:
    """The URL of each host in it."""
    if (found := _URL.fullmatch(url)) is None:
        return [url]
    account, hosts, rest = found.groups()
    return [f"{account}{host}{rest}" for host in hosts.split(",")]
