"""Progress bars on a terminal. Elsewhere nothing is shown, so that logs contain reports only."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_ASKED_EVERY_SECONDS = 0.1
_console = Console(stderr=True)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Steps:
    """Consecutive named steps. A step with a size shows the share done, the speed and the remaining time."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task = bars.add_task("", total=None)

    def step(self, name: str, rows: int | None = None) -> None:
        self._bars.refresh()  # show also a step that took only a moment
        self._bars.remove_task(self._task)  # a reset would keep the size of the last step
        self._task = self._bars.add_task(name, total=rows)

    def advance(self, rows: int) -> None:
        self._bars.advance(self._task, rows)

    @contextmanager
    def following(self, share: Callable[[], float]) -> Iterator[None]:
        """In the block, poll `share` for the share of the step that is done (negative: unknown). At the end it is 1."""
        done = threading.Event()
        asking = threading.Thread(target=self._follow, args=(share, done), daemon=True)
        if not self._bars.disable:
            asking.start()
        try:
            yield
        finally:
            done.set()
            if asking.is_alive():
                asking.join()
        [task] = self._bars.tasks
        self._bars.update(self._task, completed=task.total or 0)

    def _follow(self, share: Callable[[], float], done: threading.Event) -> None:
        [task] = self._bars.tasks
        while not done.wait(_ASKED_EVERY_SECONDS):
            self._bars.update(self._task, completed=max(task.completed, share() * (task.total or 0)))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.completed / task.elapsed:,.0f} rows/s" if task.completed and task.elapsed else "")


@contextmanager
def progress(console: Console = _console) -> Iterator[Steps]:
    columns = (TextColumn("{task.description}"), BarColumn(), _Rate(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        yield Steps(bars)
