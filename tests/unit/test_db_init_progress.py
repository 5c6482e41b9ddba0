"""Progress: rows per second and the time left on a terminal, nothing elsewhere."""

import io
import re
import time

import pytest
from rich.console import Console

from db_init.progress import progress


def failing_after(seconds: float) -> None:
    time.sleep(seconds)
    raise ZeroDivisionError


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())


def test_a_step_with_a_size_shows_its_speed_and_the_time_left() -> None:
    console = terminal()
    with progress(console) as steps:
        steps.step("writing", 1_000)
        for _ in range(8):
            time.sleep(0.06)
            steps.advance(100)
    assert re.search(r"writing .* 1,[0-9]{3} rows/s +0:00:0[0-9] +0:00:0[0-9]", shown(console))


def test_a_step_without_a_size_after_one_with_a_size_shows_no_time_left() -> None:
    console = terminal()
    with progress(console) as steps:
        steps.step("writing", 10)
        steps.advance(5)
        steps.step("thinking")
        time.sleep(0.25)
    [*_, last] = re.findall("thinking[^\r\n]*", shown(console))
    assert "rows/s" not in last
    assert last.count(":") == 2  # the time that has passed


def test_a_step_follows_the_share_that_is_done() -> None:
    console = terminal()
    started = time.monotonic()
    with progress(console) as steps:
        steps.step("reading", 10_000)
        with steps.following(lambda: min(1, time.monotonic() - started)):
            time.sleep(0.9)
    assert re.search(r"reading .* [0-9]{1,2},[0-9]{3} rows/s", shown(console))


def test_nobody_asks_on_after_an_error() -> None:
    asked = []

    def share() -> float:
        asked.append(time.monotonic())
        return -1.0

    with progress(terminal()) as steps:
        steps.step("reading", 10)
        with pytest.raises(ZeroDivisionError), steps.following(share):
            failing_after(0.3)
        stopped = len(asked)
        time.sleep(0.3)
    assert len(asked) == stopped > 0


def test_nothing_is_shown_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO())
    with progress(console) as steps:
        steps.step("reading", 10)
        with steps.following(lambda: 0.5):
            steps.advance(5)
    assert shown(console) == ""
