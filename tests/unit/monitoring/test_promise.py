"""What monitoring promises, on generated clients and few seeds; `python -m simulation bars` measures it in full."""

import time
from datetime import date, timedelta

import numpy as np
import pytest

from prediction_service.monitoring.calibration import calibration_evidence
from prediction_service.monitoring.evidence import StabilityTest
from prediction_service.monitoring.reference import Quantity
from prediction_service.monitoring.stability import shift
from prediction_service.monitoring.windows import Tally, Windows
from simulation import bars, vectorised
from simulation.bars import Bar
from simulation.populations import Population, generated


@pytest.fixture(scope="module")
def population() -> Population:
    return generated(20_000, 1)


@pytest.fixture(scope="module")
def measured(population: Population) -> list[Bar]:
    return list(bars.all_bars(population, 0.04))


def test_every_bar_holds(measured: list[Bar]) -> None:
    assert len(measured) == 13
    assert [bar for bar in measured if not bar.holds] == []


@pytest.mark.parametrize("effect", [1.0, 2.2])
def test_the_simulated_evidence_is_that_of_the_module(effect: float) -> None:
    rng = np.random.default_rng(0)
    for scale in (3, 400, 90_000):
        reference = rng.multinomial(12_000, [0.1] * 9 + [0.0999, 0.0001])
        windows = rng.multinomial(scale, [1 / 11] * 11, size=40)
        stored = Quantity(name="x", edges=tuple(range(9)), counts=tuple(reference.tolist()), design_effect=effect)
        simulated = vectorised.log_e(reference, windows, effect), vectorised.sizes(reference, windows, effect)
        for window, log_e, size in zip(windows.tolist(), *simulated, strict=True):
            assert log_e == pytest.approx(StabilityTest(stored.counts, effect).log_e(window), rel=1e-9, abs=1e-8)
            assert size == pytest.approx(shift(stored, window).size, rel=1e-9, abs=1e-12)


def test_the_simulated_calibration_is_that_of_the_module() -> None:
    sums = -np.random.default_rng(1).uniform(50, 90, (20, 189))
    expected = [calibration_evidence(tuple(one), 1.0) for one in sums.tolist()]
    assert vectorised.calibration_log_e(sums) == pytest.approx(expected, abs=1e-9)


def test_the_strongest_start_of_a_simulated_year_is_that_of_the_module() -> None:
    rng = np.random.default_rng(2)
    reference, days = rng.multinomial(2_000, [0.25] * 4), rng.multinomial(30, [0.25] * 4, size=380)
    first = date(2025, 1, 1)
    windows = Windows(4)
    for number, counted in enumerate(days.tolist()):
        for index, clients in enumerate(counted):
            windows.add(Tally(first + timedelta(days=number), None, index, clients))
    last = first + timedelta(days=379)
    found = StabilityTest(reference.tolist(), 1.0).strongest(windows.by_start(last - timedelta(days=364), last))
    evidence, _ = vectorised.strongest_by_day(reference, days, skip=379)
    assert found.log_e == pytest.approx(evidence[0], abs=1e-8)


def test_a_look_at_a_year_of_starts_takes_milliseconds() -> None:
    """3 ms measured; the limit leaves room for a busy machine."""
    first = date(2026, 1, 1)
    tallies = [Tally(first + timedelta(days=day), None, index, 27) for day in range(365) for index in range(11)]
    test, windows = StabilityTest([1_100] * 11, 1.0), Windows(11, tallies)
    took = []
    for _ in range(5):
        started = time.perf_counter()
        test.strongest(windows.by_start(first, first + timedelta(days=364)))
        took.append(time.perf_counter() - started)
    assert min(took) < 0.05
