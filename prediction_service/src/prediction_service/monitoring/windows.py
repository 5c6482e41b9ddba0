"""Windows of decisions. A window counts each client once, by its first decision on or after the start of the window."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

START_DAYS = 365
"""Number of the last days on each of which a stream starts an e-process."""


class Tally(NamedTuple):
    """Clients with a decision on `day`, by the day of their previous one by the same version (None: there is none)."""

    day: date
    previous_day: date | None
    bin: int
    clients: int


class Window(NamedTuple):
    """Clients by the bin of their first decision on or after `start`."""

    start: date
    counts: tuple[int, ...]


class Windows:
    """Counts of all windows of a stream.

    A tally counts for the starts in (previous_day, day]. It is stored as a step up after `previous_day` and a step down
    after `day`, so that adding takes constant time. Running sums give the counts of every start.
    """

    def __init__(self, bins: int, tallies: Iterable[Tally] = ()) -> None:
        self._bins = bins
        self._earliest = [0] * bins
        self._steps: dict[int, list[int]] = {}
        for tally in tallies:
            self.add(tally)

    def add(self, tally: Tally) -> None:
        """Add a tally. Ignored if `previous_day` is not before `day`: the same day, or the clock was set back."""
        day, previous_day, index, clients = tally
        if previous_day is not None and previous_day >= day:
            return
        if previous_day is None:
            self._earliest[index] += clients
        else:
            self._step(previous_day)[index] += clients
        self._step(day)[index] -= clients

    def _step(self, day: date) -> list[int]:
        """The changes from the start `day` to the next start."""
        return self._steps.setdefault(day.toordinal() + 1, [0] * self._bins)

    def by_start(self, first: date, last: date) -> Iterator[Window]:
        """The window of each start from `first` to `last`, in order."""
        if first > last:
            return
        counts = list(self._earliest)
        for at in (at for at in self._steps if at <= first.toordinal()):
            counts = [count + step for count, step in zip(counts, self._steps[at], strict=True)]
        yield Window(first, tuple(counts))
        for at in range(first.toordinal() + 1, last.toordinal() + 1):
            if step := self._steps.get(at):
                counts = [count + change for count, change in zip(counts, step, strict=True)]
            yield Window(date.fromordinal(at), tuple(counts))


def start_days(today: date, not_before: date) -> tuple[date, date]:
    """The first and the last start that count today. If windows restart later (`not_before`), first > last."""
    return max(not_before, today - timedelta(days=START_DAYS - 1)), today


def daily_counts(tallies: Iterable[Tally], start: date, bins: int) -> list[tuple[int, ...]]:
    """The window that starts at `start`, split by day, without days that have no decisions."""
    days: dict[date, list[int]] = {}
    for day, previous_day, index, clients in tallies:
        if day >= start and (previous_day is None or previous_day < start):
            days.setdefault(day, [0] * bins)[index] += clients
    return [tuple(days[day]) for day in sorted(days)]
