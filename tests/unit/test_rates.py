"""The window of a rate limit: its bound, and what it costs."""

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.access.rates import Window


@given(st.lists(st.floats(0, 3), min_size=1, max_size=80), st.integers(1, 10))
def test_no_window_ever_holds_more_than_the_rate(gaps: list[float], rate: int) -> None:
    window, now, taken = Window(10, 0.0), 0.0, list[float]()
    for gap in gaps:
        now += gap
        if window.take(rate, now) == 0:
            taken.append(now)
    assert all(sum(start <= moment < start + 10 for moment in taken) <= rate for start in taken)


@given(st.lists(st.floats(0, 3), min_size=5, max_size=60), st.integers(1, 5))
def test_the_wait_that_is_named_suffices(gaps: list[float], rate: int) -> None:
    window, now = Window(10, 0.0), 0.0
    for gap in gaps:
        now += gap
        if wait := window.take(rate, now):
            assert 0 < wait <= 10 + 10 / 128
            now += wait + 1e-6
            assert window.take(rate, now) == 0


def test_a_rate_that_is_lowered_holds_at_once() -> None:
    window = Window(60, 0.0)
    assert [window.take(5, 0.0) for _ in range(5)] == [0.0] * 5
    assert window.take(2, 1.0) > 50
    assert window.take(2, 61.0) == 0


def test_the_cost_does_not_grow_with_the_rate() -> None:
    window, rate = Window(60, 0.0), 600_000
    before = sys.getsizeof(window._counts)
    started = time.perf_counter()
    for number in range(200_000):
        window.take(rate, number * 60 / rate)
    each = (time.perf_counter() - started) / 200_000
    assert sys.getsizeof(window._counts) == before < 2_000
    assert each < 20e-6


@pytest.mark.parametrize("gap", [60.0, 1e6])
def test_after_a_long_silence_the_window_is_empty(gap: float) -> None:
    window = Window(60, 0.0)
    window.take(1, 0.0)
    assert window.take(1, gap + 1) == 0
