"""Counts the requests of one key in a moving window, in constant time and memory."""

_BUCKETS = 128


class Window:
    """Allows at most `rate` requests in any period of `seconds`.

    The window moves in steps of 1/128 of its length: a request counts for up to one step longer than the window.
    """

    __slots__ = ("_counts", "_newest", "_step", "_total")

    def __init__(self, seconds: float, now: float) -> None:
        self._step = seconds / _BUCKETS
        self._counts = [0] * (_BUCKETS + 1)
        self._newest = int(now / self._step)
        self._total = 0

    def take(self, rate: int, now: float) -> float:
        """Count a request. Returns 0 if it is within the rate, otherwise the seconds until the next request will be."""
        self._advance(int(now / self._step))
        if self._total < rate:
            self._counts[self._newest % len(self._counts)] += 1
            self._total += 1
            return 0.0
        return self._next_step(rate) * self._step - now

    def _advance(self, newest: int) -> None:
        for number in range(self._newest + 1, min(newest, self._newest + len(self._counts)) + 1):
            position = number % len(self._counts)
            self._total -= self._counts[position]
            self._counts[position] = 0
        self._newest = max(newest, self._newest)

    def _next_step(self, rate: int) -> int:
        """The number of the step at whose start the total is below the rate (after a change of the rate, too)."""
        left, size = self._total, len(self._counts)
        for number in range(self._newest + 1, self._newest + size + 1):
            left -= self._counts[number % size]
            if left < rate:
                return number
        return self._newest + size
