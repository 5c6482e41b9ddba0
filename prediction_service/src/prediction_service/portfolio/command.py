"""Runs the command `score-all`: shows progress on a terminal, and prints one line at the end."""

import argparse
import asyncio
import gc
import sys
import time

from prediction_service.errors import CommandError
from prediction_service.portfolio.scoring import Options, Portfolio, ScoringFailed
from prediction_service.settings import Settings

_EVERY_SECONDS = 0.5


class _Counter:
    """Counts clients, and shows progress on a terminal."""

    def __init__(self) -> None:
        self.clients = 0
        self._began = time.monotonic()
        self._said = 0.0

    def advance(self, clients: int) -> None:
        self.clients += clients
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._said > _EVERY_SECONDS:
            self._said = now
            rate = self.clients / max(now - self._began, 0.001)
            print(f"\r{self.clients:,} clients, {rate:,.0f} a second", end="", file=sys.stderr, flush=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began


def score_all(settings: Settings, arguments: argparse.Namespace) -> None:
    """Decide about all clients. Raises CommandError."""
    # Rows contain no reference cycles, and collecting garbage among them would take a third of the run time.
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)
    counter = _Counter()
    options = Options(arguments.out, arguments.record, arguments.reasons)
    try:
        clients = asyncio.run(Portfolio(settings, options, counter.advance).run())
    except ScoringFailed as reason:
        raise CommandError(str(reason)) from reason
    print(f"{clients:,} clients in {arguments.out}; {counter.clients:,} of them now, in {counter.seconds:.1f} seconds")
