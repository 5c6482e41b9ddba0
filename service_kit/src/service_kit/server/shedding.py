"""Load shedding: refuses requests while too many are at work, and slows down the callers that were refused."""

import asyncio
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

_LEAST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0
_SECONDS_A_REFUSAL = 0.001
"""Minimum time between two refusals. Refusing more often would take too much time from other callers."""


class Shed(Collector):
    """The number of requests that this process has refused because there was no free slot."""

    def __init__(self) -> None:
        self.count = 0

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("http_server_requests_shed", "Requests refused because too many were at work.")
        family.add_metric([], self.count)
        yield family


shed = Shed()


class Slots:
    """The maximum and the current number of concurrent requests of one kind."""

    __slots__ = ("limit", "taken")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0

    def release(self, _: asyncio.Task[None]) -> None:
        """Release the slot when a task ends."""
        self.taken -= 1


class Pace:
    """Spreads refusals over time: the more there are, the later the refused connection is read again."""

    __slots__ = ("_free_at",)

    def __init__(self) -> None:
        self._free_at = 0.0

    def after_refusal(self, now: float) -> float:
        """The time of the event loop until which the connection that is refused `now` is not read."""
        self._free_at = min(max(self._free_at, now) + _SECONDS_A_REFUSAL, now + _LONGEST_PAUSE_SECONDS)
        return max(self._free_at, now + _LEAST_PAUSE_SECONDS)
