"""Progress of long work on a terminal; silent elsewhere, so that logs hold reports only."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_console = Console(stderr=True)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Steps:
    """Named steps, one after the other; a step with a size shows what is done of it, how fast, and the time left."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task = bars.add_task("", total=None)

    def step(self, name: str, size: int | None = None) -> None:
        self._bars.reset(self._task, description=name, total=size)

    def advance(self, amount: int) -> None:
        self._bars.advance(self._task, amount)


class _Rate(TextColumn):
    def __init__(self) -> None:
        super().__init__("{task.fields[rate]}")

    def render(self, task: object) -> object:  # type: ignore[override]
        speed = getattr(task, "finished_speed", None) or getattr(task, "speed", None)
        task.fields["rate"] = f"{speed:,.0f} rows/s" if speed else ""  # type: ignore[attr-defined]
        return super().render(task)  # type: ignore[arg-type]


@contextmanager
def progress() -> Iterator[Steps]:
    columns = (TextColumn("{task.description}"), BarColumn(), _Rate(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_console, disable=not _console.is_terminal, transient=True) as bars:
        yield Steps(bars)
