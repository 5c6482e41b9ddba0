"""What a process refuses because it has too much at work, and the pace at which refused callers are read again."""

import asyncio
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

_LEAST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0
_SECONDS_A_REFUSAL = 0.001
"""More refusals than one in this time would take too much of the time in which others are answered."""


class Shed(Collector):
    """Counts the requests that this process has refused for want of slots."""

    def __init__(self) -> None:
        self.count = 0

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("http_server_requests_shed", "Requests refused because too many were at work.")
        family.add_metric([], self.count)
        yield family


shed = Shed()


class Slots:
    """How many requests of one kind may run concurrently, and how many do."""

    __slots__ = ("limit", "taken")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0

    def release(self, _: asyncio.Task[None]) -> None:
        """The task that has taken one has ended."""
        self.taken -= 1


class Pace:
    """Spreads refusals over time: the more are refused, the later a refused connection is read again."""

    __slots__ = ("_free_at",)

    def __init__(self) -> None:
        self._free_at = 0.0

    def after_refusal(self, now: float) -> float:
        """The loop time until which the connection that was refused `now` is not read."""
        self._free_at = min(max(self._free_at, now) + _SECONDS_A_REFUSAL, now + _LONGEST_PAUSE_SECONDS)
        return max(self._free_at, now + _LEAST_PAUSE_SECONDS)
